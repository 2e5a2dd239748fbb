// What an address means, and what the page says about typed values.

import assert from "node:assert/strict";
import test from "node:test";

import { agoInWords, codeDigits, emailProblem, oauthFlow, passwordProblem, readAddress } from "../../src/page/context.js";

const FLOW = {
  client_id: "5882386c6d801776",
  response_type: "code",
  access_type: "offline",
  scope: "https://identity.mozilla.com/apps/oldsync profile",
  state: "Yk1mXzq0r5uTn3bVwA9cJg",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  code_challenge_method: "S256",
  keys_jwk: "eyJrdHkiOiJFQyJ9",
};

function firefoxUrl(changes = {}) {
  const url = new URL("http://localhost:8000/");
  const members = { context: "oauth_webchannel_v1", entrypoint: "menu", action: "email", service: "sync", ...FLOW, ...changes };
  for (const [name, value] of Object.entries(members)) url.searchParams.set(name, value);
  return url;
}

test("the address Firefox opens is a sign-in with its flow", () => {
  const address = readAddress(firefoxUrl({ email: "fox@example.test" }));
  assert.equal(address.view, "signin");
  assert.equal(address.fromFirefox, true);
  assert.equal(address.service, "sync");
  assert.equal(address.email, "fox@example.test");
  const { client_id, access_type, scope, state, code_challenge, keys_jwk } = FLOW;
  assert.deepEqual(address.flow, { client_id, access_type, scope, state, code_challenge, keys_jwk });
});

test("a flow with a missing or malformed member is no flow", () => {
  const cases = [
    ["short challenge", { code_challenge: "E9Melhoa" }],
    ["no key", { keys_jwk: "" }],
    ["client id of letters", { client_id: "firefox-desktop!" }],
    ["scope with a quote", { scope: 'profile"' }],
    ["state with a line break", { state: "a\nb" }],
  ];
  for (const [name, change] of cases) assert.equal(readAddress(firefoxUrl(change)).flow, null, name);
});

test("a flow can also come from Firefox's answer", () => {
  assert.equal(oauthFlow(new Map(Object.entries(FLOW))).state, FLOW.state);
  assert.equal(oauthFlow(new Map()), null);
});

test("each path opens its screen, an unknown one the start", () => {
  const cases = [
    ["/", "start"],
    ["/?action=email", "signin"],
    ["/signin", "signin"],
    ["/signup/", "signin"],
    ["/settings", "settings"],
    ["/settings/clients?context=oauth_webchannel_v1", "settings"],
    ["/settings/avatar/change", "settings"],
    ["/post_verify/third_party_auth/set_password", "settings"],
    ["/connect_another_device", "connect"],
    ["/pair", "pair"],
    ["/verify_email?uid=00&code=11", "verify"],
    ["/complete_signin?uid=00&code=11", "verify"],
    ["/settings/change_password", "password"],
    ["/settings/delete_account", "delete"],
    ["/reset_password?email=fox@example.test", "forgot"],
    ["/complete_reset_password?email=fox@example.test&token=00&code=11", "reset"],
    ["/no/such/page", "start"],
  ];
  for (const [path, view] of cases) assert.equal(readAddress(new URL(path, "http://localhost:1")).view, view, path);
});

test("the link of a mail is read whole", () => {
  const path = "/complete_reset_password?email=a%2Bb%40example.test&token=00&code=11&service=sync";
  const address = readAddress(new URL(path, "http://localhost:1"));
  assert.equal(address.email, "a+b@example.test");
  assert.deepEqual(address.link, { uid: "", token: "00", code: "11" });
});

test("addresses", () => {
  for (const good of ["fox@example.test", "a.b+c@sub.example.org", "andré@example.org"]) {
    assert.equal(emailProblem(good), null, good);
  }
  for (const bad of ["", "fox", "fox@localhost", "@example.test", "a b@example.test", "a@b@example.test", `${"a".repeat(65)}@b.cd`]) {
    assert.ok(emailProblem(bad), bad);
  }
});

test("passwords count characters, not code units", () => {
  assert.equal(passwordProblem("12345678"), null);
  assert.ok(passwordProblem("1234567"));
  assert.ok(passwordProblem("🦊🦊🦊🦊"));
});

test("codes may be pasted with blanks and dashes", () => {
  assert.equal(codeDigits(" 012 345 "), "012345");
  assert.equal(codeDigits("012-345"), "012345");
  for (const bad of ["", "12345", "1234567", "12345a"]) assert.equal(codeDigits(bad), null, bad);
});

test("times in words", () => {
  const minute = 60_000;
  const cases = [
    [0, "just now"],
    [-5 * minute, "just now"],
    [30 * minute, "30 minutes ago"],
    [5 * 60 * minute, "5 hours ago"],
    [72 * 60 * minute, "3 days ago"],
  ];
  for (const [age, words] of cases) assert.equal(agoInWords(1e12 - age, 1e12), words);
});
