// The line to Firefox, with a stand-in for Firefox that answers as it was measured to (accounts contract (g)).

import assert from "node:assert/strict";
import test from "node:test";

import { FirefoxChannel } from "../../src/page/channel.js";

/** A window whose Firefox answers each command with `answer(command, data)`, and the list of what it was sent. */
function firefox(answer) {
  const target = new EventTarget();
  const sent = [];
  target.addEventListener("WebChannelMessageToChrome", (event) => {
    const { id, message } = JSON.parse(event.detail);
    assert.equal(id, "account_updates");
    sent.push(message);
    const reply = answer(message.command, message.data);
    if (reply === undefined) return;
    const detail = { id, message: reply.whole ?? { command: message.command, messageId: message.messageId, data: reply } };
    queueMicrotask(() => target.dispatchEvent(new CustomEvent("WebChannelMessageToContent", { detail })));
  });
  return { channel: new FirefoxChannel(target), sent };
}

test("a login hands over exactly the members Firefox takes", async () => {
  const { channel, sent } = firefox(() => ({ ok: true }));
  const session = { email: "e", uid: "u", sessionToken: "s", verified: true, handedOver: true, secret: "no" };
  await channel.login(session, { offeredEngines: ["tabs"], declinedEngines: [] });
  assert.deepEqual(sent[0].data, {
    email: "e", uid: "u", sessionToken: "s", verified: true,
    services: { sync: { offeredEngines: ["tabs"], declinedEngines: [] } },
  });
});

test("a changed password hands over the new session and nothing else", async () => {
  const { channel, sent } = firefox(() => ({ ok: true }));
  await channel.changePassword({ email: "e", uid: "u", sessionToken: "s", verified: true, secret: "no" });
  assert.equal(sent[0].command, "fxaccounts:change_password");
  assert.deepEqual(sent[0].data, { email: "e", uid: "u", sessionToken: "s", verified: true });
});

test("a sign-out and a deletion name the uid, and wait for nobody", () => {
  const { channel, sent } = firefox(() => undefined);
  channel.logout("u");
  channel.delete("u");
  const told = sent.map(({ command, data }) => [command, data]);
  assert.deepEqual(told, [["fxaccounts:logout", { uid: "u" }], ["fxaccounts:delete", { uid: "u" }]]);
});

test("the merge question names the uid", async () => {
  const { channel, sent } = firefox(() => ({ ok: false }));
  assert.equal(await channel.canLink("e", "u"), false);
  assert.deepEqual(sent[0], { command: "fxaccounts:can_link_account", data: { email: "e", uid: "u" }, messageId: sent[0].messageId });
});

test("messages have names of their own, and answers find their question", async () => {
  const { channel, sent } = firefox((command) => ({ isActive: true, command }));
  const answers = await Promise.all([channel.isFlowActive(), channel.beginFlow(["profile"])]);
  assert.notEqual(sent[0].messageId, sent[1].messageId);
  assert.equal(answers[0], true);
  assert.equal(answers[1].command, "fxaccounts:oauth_flow_begin");
});

test("an error in the answer becomes a sentence", async () => {
  const { channel } = firefox(() => ({ error: { message: "no state", stack: "" } }));
  await assert.rejects(channel.oauthLogin("signin", {}), { name: "ChannelError", message: /no state/ });
});

test("a Firefox that does not trust this origin is none", async () => {
  const { channel } = firefox(() => ({ whole: { errno: 2, error: "No Such Channel" } }));
  assert.equal(await channel.status("sync"), null);
});

test("where no Firefox answers, the page goes on after a while", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { channel } = firefox(() => undefined);
  const status = channel.status("sync");
  context.mock.timers.tick(2_000);
  assert.equal(await status, null);
});

test("a login may take half a minute", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { channel } = firefox(() => undefined);
  let over = false;
  const login = channel.login({}, {}).finally(() => (over = true));
  context.mock.timers.tick(30_000);
  await Promise.resolve();
  assert.equal(over, false);
  context.mock.timers.tick(15_000);
  await assert.rejects(login, { name: "ChannelError" });
});
