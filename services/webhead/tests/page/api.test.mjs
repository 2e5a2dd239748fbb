// How the page calls the server: signatures, the busy server, the wrong clock, answers that are no JSON.

import assert from "node:assert/strict";
import test from "node:test";

import { Accounts } from "../../src/page/api.js";

const ORIGIN = "http://localhost:8000";
const NOW_MS = 1_700_000_000_500;

/** An `Accounts` that gets the answers in turn, and what it did. */
function accounts(...answers) {
  const seen = { requests: [], sealed: [], pauses: [], busy: [] };
  const client = new Accounts({
    origin: ORIGIN,
    seal: async (op, values) => {
      seen.sealed.push({ op, ...values });
      return op === "token" ? { id: "id", key: "key", bundle_key: "bundle key" } : { header: "Hawk signed", wrap_kb: "w" };
    },
    onBusy: (seconds) => seen.busy.push(seconds),
    pause: async (ms) => void seen.pauses.push(ms),
    now: () => NOW_MS,
    fetch: async (url, options) => {
      seen.requests.push({ url, ...options });
      const { status = 200, headers = {}, body = {}, error = new TypeError("NetworkError") } = answers.shift();
      if (status === 0) throw error;
      return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
    },
  });
  return { client, seen };
}

const busy = (seconds) => ({ status: 503, body: { errno: 201 }, headers: { "Retry-After": `${seconds}` } });

test("an unsigned call is plain JSON", async () => {
  const { client, seen } = accounts({ body: { exists: true } });
  assert.equal(await client.accountExists("fox@example.test"), true);
  const [request] = seen.requests;
  assert.equal(request.url, `${ORIGIN}/v1/account/status`);
  assert.equal(request.method, "POST");
  assert.equal(request.body, '{"email":"fox@example.test"}');
  assert.equal(request.headers.Authorization, undefined);
  assert.equal(request.credentials, "omit");
});

test("a signed POST has a payload hash over exactly what is sent, a signed GET none", async () => {
  const { client, seen } = accounts({}, {});
  await client.verifyCode("token", "123456");
  await client.sessionStatus("token");
  const [post, get] = seen.sealed.filter((order) => order.op === "hawk");
  assert.equal(post.body, seen.requests[0].body);
  assert.equal(post.content_type, "application/json");
  assert.equal(post.url, seen.requests[0].url);
  assert.equal(post.ts, 1_700_000_000);
  assert.equal(get.body, undefined);
  assert.equal(get.method, "GET");
  assert.notEqual(post.nonce, get.nonce);
  assert.equal(seen.requests[1].headers.Authorization, "Hawk signed");
});

test("the server's clock is used as soon as it is known", async () => {
  const { client, seen } = accounts({ headers: { Timestamp: "1700003600" } }, {});
  await client.accountExists("fox@example.test");
  await client.sessionStatus("token");
  assert.equal(seen.sealed.at(-1).ts, 1_700_003_600);
});

test("a stale time is corrected once", async () => {
  const stale = { status: 401, body: { errno: 111 }, headers: { Timestamp: "1700009999" } };
  const once = accounts(stale, { body: { state: "verified" } });
  assert.equal((await once.client.sessionStatus("token")).state, "verified");
  assert.equal(once.seen.sealed.at(-1).ts, 1_700_009_999);
  const twice = accounts(stale, stale);
  await assert.rejects(twice.client.sessionStatus("token"), { errno: 111 });
});

test("a busy server is asked again after its time, with notice, and not for ever", async () => {
  const { client, seen } = accounts(busy(3), busy(900), { body: { exists: false } });
  assert.equal(await client.accountExists("fox@example.test"), false);
  assert.deepEqual(seen.busy, [3, 20]);
  assert.deepEqual(seen.pauses, [3000, 20_000]);
  const always = accounts(...Array(10).fill(busy(1)));
  await assert.rejects(always.client.accountExists("fox@example.test"), { errno: 201, retryAfter: 1 });
  assert.equal(always.seen.requests.length, 6);
});

test("a proxy without a server behind it is as good as a busy server", async () => {
  const { client, seen } = accounts({ status: 502, body: "<html>" }, { status: 504 }, { body: { exists: true } });
  assert.equal(await client.accountExists("fox@example.test"), true);
  assert.deepEqual(seen.busy, [1, 1]);
});

test("a lost connection is tried again once, a silent server is not", async () => {
  const { client } = accounts({ status: 0 }, { body: { exists: true } });
  assert.equal(await client.accountExists("fox@example.test"), true);
  const silent = accounts({ status: 0, error: new DOMException("too slow", "TimeoutError") });
  await assert.rejects(silent.client.accountExists("fox@example.test"), { status: 0 });
  assert.equal(silent.seen.requests.length, 1);
});

test("an error says whether an earlier try may have done the work", async () => {
  const spent = { status: 401, body: { errno: 110 } };
  const table = [
    [[spent], false],
    [[{ status: 0 }, spent], true],
    [[busy(1), spent], true],
    [[{ status: 0 }, { status: 0 }], true],
    [[{ status: 401, body: { errno: 111 } }, spent], false],
  ];
  for (const [answers, mayBeDone] of table) {
    const { client } = accounts(...answers);
    await assert.rejects(client.finishPasswordChange("change", {}), { mayBeDone });
  }
});

test("other refusals are not repeated", async () => {
  const { client, seen } = accounts({ status: 429, body: { errno: 114, retryAfter: 60 } });
  await assert.rejects(client.accountExists("fox@example.test"), { errno: 114, retryAfter: 60, status: 429 });
  assert.equal(seen.requests.length, 1);
});

test("no answer and no JSON become errors with a status", async () => {
  const lost = { status: 0 };
  await assert.rejects(accounts(lost, lost).client.accountExists("a@b.cd"), { status: 0 });
  await assert.rejects(accounts({ status: 404, body: "<html>" }).client.accountExists("a@b.cd"), { status: 404 });
  await assert.rejects(accounts({ body: "<html>" }).client.accountExists("a@b.cd"), { status: 200 });
});

test("keys are asked for only where they are wanted", async () => {
  const { client, seen } = accounts({}, {}, {});
  await client.create({}, { keys: true });
  await client.login({}, { keys: true });
  await client.login({}, { keys: false });
  const paths = seen.requests.map((request) => request.url.slice(ORIGIN.length));
  assert.deepEqual(paths, ["/v1/account/create?keys=true", "/v1/account/login?keys=true", "/v1/account/login"]);
});

test("each password call is signed with its own token, its body covered", async () => {
  const { client, seen } = accounts({}, {}, {}, {}, {});
  await client.sendResetCode("fox@example.test", "sync");
  await client.verifyResetCode("forgot", "code");
  await client.resetAccount("reset", { authPW: "a" });
  await client.startPasswordChange("session", { oldAuthPW: "o" });
  await client.finishPasswordChange("change", { authPW: "a" });
  const signed = seen.sealed.filter((order) => order.op === "token").map(({ kind, token }) => [kind, token]);
  assert.deepEqual(signed, [
    ["passwordForgotToken", "forgot"],
    ["accountResetToken", "reset"],
    ["sessionToken", "session"],
    ["passwordChangeToken", "change"],
  ]);
  const paths = seen.requests.map((request) => request.url.slice(ORIGIN.length + 3));
  assert.deepEqual(paths, [
    "/password/forgot/send_code", "/password/forgot/verify_code", "/account/reset", "/password/change/start",
    "/password/change/finish",
  ]);
  assert.equal(seen.requests[0].body, '{"email":"fox@example.test","service":"sync"}');
  const covered = seen.sealed.filter((order) => order.op === "hawk").map((order) => order.body);
  assert.deepEqual(covered, seen.requests.slice(1).map((request) => request.body));
});

test("others are signed out, and the account is deleted, in a session, the bodies covered", async () => {
  const { client, seen } = accounts({}, {});
  await client.detachClient("session", { deviceId: "d" });
  await client.destroyAccount("session", { email: "fox@example.test", authPW: "a" });
  const paths = seen.requests.map((request) => [request.method, request.url.slice(ORIGIN.length + 3)]);
  assert.deepEqual(paths, [["POST", "/account/attached_client/destroy"], ["POST", "/account/destroy"]]);
  assert.equal(seen.requests[0].body, '{"deviceId":"d"}');
  const signed = seen.sealed.filter((order) => order.op === "token").map(({ kind, token }) => [kind, token]);
  assert.deepEqual(signed, [["sessionToken", "session"], ["sessionToken", "session"]]);
  const covered = seen.sealed.filter((order) => order.op === "hawk").map((order) => order.body);
  assert.deepEqual(covered, seen.requests.map((request) => request.body));
});

test("an account has gone only where the server says so", async () => {
  for (const [body, isGone] of [[{ exists: false }, true], [{ exists: true }, false], [{}, false]]) {
    const { client, seen } = accounts({ body });
    assert.equal(await client.isGone("ab"), isGone);
    assert.deepEqual([seen.requests[0].url, seen.sealed], [`${ORIGIN}/v1/account/status?uid=ab`, []]);
  }
  const { client } = accounts({ status: 500, body: { errno: 999 } });
  await assert.rejects(client.isGone("ab"), { errno: 999 });
});

test("the bundle is opened with the token's bundle key", async () => {
  const { client, seen } = accounts({ body: { bundle: "b" } });
  assert.deepEqual((await client.accountKeys("kft")).wrap_kb, "w");
  assert.deepEqual(seen.sealed.at(-1), { op: "open_bundle", bundle: "b", bundle_key: "bundle key" });
  assert.equal(seen.requests[0].url, `${ORIGIN}/v1/account/keys`);
});
