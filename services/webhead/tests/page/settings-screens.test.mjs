// The screens on which others are signed out and the account is deleted: what is asked, sent and said, press by press.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { SCREENS, openWindow } from "./stand-in-document.mjs";

const SESSION = { uid: "ab".repeat(16), email: "fox@example.test", sessionToken: "5e".repeat(32) };
const OWN = { sessionTokenId: "01", isCurrentSession: true, name: "Firefox 153, Linux" };
const LAPTOP = { sessionTokenId: "02", deviceId: "0d", deviceType: "desktop", name: "Laptop" };
const NOTES = { clientId: "0c", name: "Notes app" };

const page = openWindow("/settings");
const answers = {};
let sent = [];
let told = [];

globalThis.fetch = async (url, { method, body }) => {
  const path = url.replace(/^.*?\/v1/, "");
  sent.push([method, path, body === undefined ? undefined : JSON.parse(body)]);
  const queue = answers[path] ?? [];
  const { status = 200, ...answer } = (queue.length > 1 ? queue.shift() : queue[0]) ?? {};
  return new Response(JSON.stringify(answer.list ?? answer), { status });
};
globalThis.Worker = class extends EventTarget {
  postMessage({ id, order }) {
    const made = { token: { id: "id", key: "key" }, hawk: { header: "Hawk" }, stretch_v2: { auth_pw: "auth", unwrap_b_key: "no" } };
    const data = { id, result: made[order.op] };
    queueMicrotask(() => this.dispatchEvent(Object.assign(new Event("message"), { data })));
  }
};
window.addEventListener("WebChannelMessageToChrome", (event) => told.push(JSON.parse(event.detail).message));

const state = await import("../../src/page/state.js");
const { openSettings } = await import("../../src/page/settings-screens.js");
const { openDeletion } = await import("../../src/page/deletion-screens.js");

const LIST = "/account/attached_clients";
const DETACH = "/account/attached_client/destroy";
const DESTROY = "/account/destroy";
const refused = (errno, status = 400, more = {}) => ({ status, errno, ...more });
const calls = (path) => sent.filter(([, called]) => called === path);
const kept = () => state.storedSession();

beforeEach(() => {
  sent = [];
  told = [];
  for (const path of Object.keys(answers)) delete answers[path];
  answers[LIST] = [{ list: [OWN, LAPTOP, NOTES] }];
  answers["/account/credentials/status"] = [{ currentVersion: "v2", clientSalt: "salt" }];
  state.now.firefox = null;
  state.keepSession(SESSION);
});

async function press(at) {
  await openSettings();
  await page.buttons()[at].fire("click");
}

test("each entry but the own one has a button that says what it does and to whom", async () => {
  await openSettings();
  assert.deepEqual(page.buttons().map((button) => button.textContent), ["Sign out Laptop", "Revoke Notes app"]);
});

test("another browser is signed out once that was confirmed, and the list is shown anew", async () => {
  await press(0);
  assert.deepEqual([page.screen(), page.text("client-name"), page.focus()], ["sign-out", "Laptop", "h1"]);
  assert.equal(calls(DETACH).length, 0, "nothing goes before it was confirmed");
  answers[LIST] = [{ list: [OWN, NOTES] }];
  await page.submit();
  assert.deepEqual(calls(DETACH), [["POST", DETACH, { deviceId: "0d", sessionTokenId: "02" }]]);
  assert.equal(page.screen(), "settings");
  assert.deepEqual(page.said(), ["good", "Signed out: Laptop."]);
  assert.deepEqual(page.buttons().map((button) => button.textContent), ["Revoke Notes app"]);
  assert.equal(kept().sessionToken, SESSION.sessionToken, "the own session stays");
});

test("a program's access is revoked by its client", async () => {
  await press(1);
  assert.deepEqual([page.screen(), page.text("client-name")], ["revoke", "Notes app"]);
  await page.submit();
  assert.deepEqual(calls(DETACH), [["POST", DETACH, { clientId: "0c" }]]);
  assert.deepEqual(page.said(), ["good", "Revoked: Notes app."]);
});

test("who thinks better of it has done nothing", async () => {
  await press(0);
  await page.click("decline");
  assert.deepEqual([page.screen(), calls(DETACH).length], ["settings", 0]);
});

test("what the server refuses is said where it can be tried again", async () => {
  await press(0);
  answers[DETACH] = [refused(114, 429, { retryAfter: 60 }), {}];
  await page.submit();
  assert.equal(page.screen(), "sign-out");
  assert.deepEqual(page.said(), ["error", "Too many attempts. Please try again in 60 seconds."]);
  await page.submit();
  assert.equal(page.screen(), "settings");
});

test("a session that has ended leads to the sign-in", async () => {
  await press(0);
  answers[DETACH] = [refused(110, 401)];
  await page.submit();
  assert.deepEqual([page.screen(), page.said()[0], kept()], ["email", "error", null]);
});

test("who has signed in to another account meanwhile, in another tab, stays signed in there", async () => {
  await openSettings();
  const other = { ...SESSION, uid: "cd".repeat(16), sessionToken: "0e".repeat(32) };
  state.keepSession(other);
  await page.submit();
  assert.deepEqual([page.screen(), calls("/session/destroy").length, kept().uid], ["notice", 1, other.uid]);
});

test("a session that has ended takes no newer one of the same account with it", async () => {
  await press(0);
  state.keepSession({ ...SESSION, sessionToken: "0e".repeat(32) });
  answers[DETACH] = [refused(110, 401)];
  await page.submit();
  assert.deepEqual([page.screen(), kept().sessionToken], ["email", "0e".repeat(32)]);
});

test("a second factor is asked for where the server wants one, and then it goes on", async () => {
  await press(0);
  answers[DETACH] = [refused(138), {}];
  answers["/session/verify/totp"] = [{ success: true }];
  await page.submit();
  assert.equal(page.screen(), "second-factor");
  page.type("code", "123456");
  await page.submit();
  assert.deepEqual([page.screen(), calls(DETACH).length], ["settings", 2]);
  // A refusal after it is said on the question's own screen.
  await press(0);
  answers[DETACH] = [refused(138), refused(114, 429)];
  await page.submit();
  page.type("code", "123456");
  await page.submit();
  assert.deepEqual([page.screen(), page.said()[0]], ["sign-out", "error"]);
});

test("the account is deleted by its password, and Firefox is told", async () => {
  state.now.firefox = { signedInUser: SESSION };
  openDeletion();
  assert.deepEqual([page.screen(), page.text("account-email")], ["delete", SESSION.email]);
  await page.submit();
  assert.deepEqual(page.said(), ["error", "Please enter your password."]);
  assert.equal(sent.length, 0);
  page.type("password", "horse");
  await page.submit();
  assert.deepEqual(calls(DESTROY), [["POST", DESTROY, { email: SESSION.email, authPW: "auth" }]]);
  assert.deepEqual(told.map(({ command, data }) => [command, data]), [["fxaccounts:delete", { uid: SESSION.uid }]]);
  assert.deepEqual([page.screen(), page.text("h1"), kept(), state.now.firefox], ["notice", undefined, null, null]);
  assert.equal(document.querySelector("h1").textContent, "Your account is deleted");
});

test("outside of Firefox nobody is told", async () => {
  openDeletion();
  page.type("password", "horse");
  await page.submit();
  assert.deepEqual([page.screen(), told, kept()], ["notice", [], null]);
});

test("a wrong password deletes nothing, and is asked for again", async () => {
  state.now.firefox = { signedInUser: SESSION };
  answers[DESTROY] = [refused(103)];
  openDeletion();
  page.type("password", "donkey");
  await page.submit();
  assert.deepEqual([page.screen(), page.focus()], ["delete", "password"]);
  assert.deepEqual(page.said(), ["error", "The password is wrong."]);
  assert.deepEqual([told, kept().uid], [[], SESSION.uid]);
});

test("a deletion whose session has ended leads to the sign-in, unless the account has gone", async () => {
  const status = `/account/status?uid=${SESSION.uid}`;
  answers[DESTROY] = [refused(110, 401)];
  for (const [exists, screen] of [[true, "email"], [false, "notice"]]) {
    state.keepSession(SESSION);
    answers[status] = [{ exists }];
    openDeletion();
    page.type("password", "horse");
    await page.submit();
    assert.deepEqual([page.screen(), kept()], [screen, null]);
  }
});

test("a deletion asks for a second factor where the server wants one", async () => {
  answers[DESTROY] = [refused(138), {}];
  answers["/session/verify/totp"] = [{ success: true }];
  openDeletion();
  page.type("password", "horse");
  await page.submit();
  assert.equal(page.screen(), "second-factor");
  page.type("code", "123456");
  await page.submit();
  assert.deepEqual([page.screen(), calls(DESTROY).length], ["notice", 2]);
});

test("nobody signed in is asked to sign in", () => {
  state.forgetSession(SESSION);
  openDeletion();
  assert.deepEqual([page.screen(), page.said()], ["email", ["note", "Please sign in to delete your account."]]);
});

test("each screen has a heading that takes the focus, labels for its fields, and nothing inline", () => {
  for (const [name, html] of SCREENS) {
    assert.match(html, /<h1 tabindex="-1"/, name);
    assert.doesNotMatch(html, /<script|<style|\sstyle=|\son[a-z]+=/, name);
    for (const [, id] of html.matchAll(/<input id="([a-z-]+)"/g)) assert.ok(html.includes(`<label for="${id}"`), `${name}: ${id}`);
    for (const [button] of html.matchAll(/<button[^>]*>/g)) {
      assert.ok(/type="button"|id="submit"/.test(button), `${name}: ${button}`);
    }
  }
});
