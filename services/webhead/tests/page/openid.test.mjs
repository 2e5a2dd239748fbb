// The errand of another program: what the server is asked, and where the browser goes.

import assert from "node:assert/strict";
import test from "node:test";

import { readAddress } from "../../src/page/context.js";
import { Errand, afterSignOut, scopeInWords } from "../../src/page/openid.js";

const CALLBACK = "https://wiki.example.test/cb?from=foxhold";
const ISSUER = "https://accounts.example.test";
const BASE = { client_id: "0123456789abcdef", redirect_uri: CALLBACK, scope: "openid", state: "a b", response_type: "code" };

const errand = (more = {}) => new Errand(new URLSearchParams({ ...BASE, ...more }), ISSUER);
const refusal = (errno, more = {}) => ({ errno, status: 400, isBusy: false, ...more });

test("addresses of other programs have views of their own", () => {
  for (const [path, view] of [["/authorization", "authorization"], ["/oauth/logout", "logout"]]) {
    assert.equal(readAddress(new URL(`${ISSUER}${path}?email=a@b.example&state=x`)).view, view);
  }
});

test("the server is asked what the program asked, and nothing it did not", () => {
  const body = errand({ max_age: "60", nonce: "n", evil: "x", consent: "true" }).body(1234, false);
  const { client_id, redirect_uri, scope, state, response_type } = BASE;
  const expected = { client_id, redirect_uri, scope, state, response_type, nonce: "n", max_age: 60 };
  assert.deepEqual(body, { ...expected, consent: false, requested_at: 1234 });
});

test("what helps with a refusal, and what a program is told that wants nobody asked", () => {
  const table = [
    [110, { screen: "signin" }, { error: "login_required" }],
    [138, { screen: "confirm" }, { error: "interaction_required" }],
    [164, { screen: "again" }, { error: "login_required" }],
    [170, { screen: "second-factor" }, { error: "unmet_authentication_requirements" }],
    [1005, { screen: "consent" }, { error: "consent_required" }],
    [1006, { screen: "denied" }, { error: "access_denied" }],
    [168, { error: "unsupported_response_type" }, { error: "unsupported_response_type" }],
    [163, { error: "invalid_scope" }, { error: "invalid_scope" }],
    [169, { error: "invalid_request" }, { error: "invalid_request" }],
    [107, { error: "invalid_request" }, { error: "invalid_request" }],
    [162, {}, {}],
    [167, {}, {}],
    [999, { error: "server_error" }, { error: "server_error" }],
  ];
  for (const [errno, asked, silent] of table) {
    assert.deepEqual(errand().after(refusal(errno)), asked, `${errno}`);
    assert.deepEqual(errand({ prompt: "none" }).after(refusal(errno)), silent, `${errno}, silent`);
  }
  const busy = refusal(201, { status: 503, isBusy: true });
  assert.deepEqual(errand().after(busy), {});
  assert.deepEqual(errand({ prompt: "none" }).after(busy), { error: "temporarily_unavailable" });
});

test("answers go where the server says, errors to the redirect URI", () => {
  const answer = { code: "c", redirect: `${CALLBACK}&code=c` };
  assert.deepEqual(errand().answered(answer), { address: answer.redirect });
  assert.deepEqual(errand().failed("access_denied"), {
    address: `${CALLBACK}&error=access_denied&error_description=the+user%2C+or+this+server%2C+does+not+allow+it`
      + "&state=a+b&iss=https%3A%2F%2Faccounts.example.test",
  });
  const posted = errand({ response_mode: "form_post" });
  assert.deepEqual(posted.answered(answer), { address: CALLBACK, fields: { code: "c", state: "a b", iss: ISSUER } });
  const error = { error: "server_error", error_description: "the server cannot answer" };
  assert.deepEqual(posted.failed("server_error").fields, { ...error, state: "a b", iss: ISSUER });
});

test("every error is told in words that fit into a header and a log", () => {
  const told = [110, 138, 163, 164, 168, 169, 170, 1005, 1006, 107, 108, 999]
    .map((errno) => errand({ prompt: "none" }).after(refusal(errno)).error);
  for (const error of [...told, "access_denied", "temporarily_unavailable"]) {
    const { address } = errand().failed(error);
    // RFC 6749 appendix A.8.
    assert.match(new URL(address).searchParams.get("error_description") ?? "", /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, error);
  }
});

test("a session is the one the program means, or another", () => {
  const session = { uid: "ab".repeat(16), email: "fox@example.test" };
  const hint = (claims) => `h.${btoa(JSON.stringify(claims)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.s`;
  const table = [
    [{}, true],
    [{ login_hint: "fox@example.test" }, true],
    [{ login_hint: "cat@example.test" }, false],
    [{ id_token_hint: hint({ sub: session.uid }) }, true],
    [{ id_token_hint: hint({ sub: "cd".repeat(16) }) }, false],
    [{ id_token_hint: "no token" }, true],
  ];
  for (const [more, expected] of table) assert.equal(errand(more).fits(session), expected, JSON.stringify(more));
});

test("a person sees who asks, and for what", () => {
  assert.equal(errand().host, "wiki.example.test");
  assert.equal(errand({ redirect_uri: "com.example.app:/cb" }).host, "com.example.app:");
  assert.equal(scopeInWords("email"), "your e-mail address");
  assert.equal(scopeInWords("groups"), "groups");
});

test("after signing out the browser goes back with the state", () => {
  const back = (more) => afterSignOut(new URLSearchParams(more));
  assert.equal(back({}), null);
  assert.equal(back({ post_logout_redirect_uri: "https://a.example/" }), "https://a.example/");
  assert.equal(back({ post_logout_redirect_uri: "https://a.example/?x", state: "s" }), "https://a.example/?x&state=s");
});
