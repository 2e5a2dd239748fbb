// The measured order of a sign-in, and what must never leave the page.

import assert from "node:assert/strict";
import test from "node:test";

import { ApiError } from "../../src/page/api.js";
import { SYNC_SCOPE } from "../../src/page/context.js";
import { SignIn } from "../../src/page/signin.js";

const FLOW = {
  client_id: "5882386c6d801776", access_type: "offline", scope: `${SYNC_SCOPE} profile`, state: "state",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", keys_jwk: "jwk",
};
const PASSWORD = "correct horse battery";
const UNWRAP = "0f".repeat(32);

/** A sign-in whose server, Firefox and cryptography only note what they are asked. */
function bench({ accounts = {}, channel = {}, withFirefox = true, flow = FLOW } = {}) {
  const steps = [];
  const sent = [];
  const noting = (answers) =>
    new Proxy({}, {
      get: (_, name) => async (...values) => {
        steps.push(name);
        sent.push(JSON.stringify([name, values]));
        const answer = answers[name];
        return typeof answer === "function" ? answer(...values) : answer;
      },
    });
  const server = noting({
    credentialsStatus: { currentVersion: "v2", clientSalt: "salt" },
    create: { uid: "uid", sessionToken: "session", keyFetchToken: "kft1", keyFetchTokenVersion2: "kft2" },
    login: { uid: "uid", sessionToken: "session", verified: true, keyFetchTokenVersion2: "kft2" },
    sessionStatus: { state: "unverified" },
    destroySession: {},
    verifyCode: {},
    accountKeys: { wrap_kb: "wrapped" },
    scopedKeyData: { [SYNC_SCOPE]: { identifier: SYNC_SCOPE } },
    authorize: { code: "code", state: "state", redirect: "urn:x?code=code&state=state" },
    ...accounts,
  });
  const browser = noting({ canLink: true, isFlowActive: true, login: { ok: true }, oauthLogin: { ok: true }, ...channel });
  const orders = [];
  const seal = async (op, values) => {
    orders.push({ op, ...values });
    switch (op) {
      case "sign_up": {
        const wrap_kb_version2 = [...values.k_b].map((digit, at) => (parseInt(digit, 16) ^ parseInt(UNWRAP[at], 16)).toString(16)).join("");
        return { auth_pw: "auth1", wrap_kb: "wrap1", auth_pw_version2: "auth2", wrap_kb_version2, client_salt: "salt" };
      }
      case "stretch_v1": return { auth_pw: `v1 of ${values.email}`, unwrap_b_key: UNWRAP };
      case "stretch_v2": return { auth_pw: "v2", unwrap_b_key: UNWRAP };
      case "scoped_keys": return { keys_jwe: "jwe" };
    }
  };
  const attempt = new SignIn({
    accounts: server, seal, channel: withFirefox ? browser : null, flow, service: "sync",
    engines: ["bookmarks", "creditcards"],
  });
  return { attempt, steps, sent, orders };
}

const connect = (attempt) => attempt.connect(() => {});

test("sign-up goes in the measured order", async () => {
  const { attempt, steps, orders } = bench();
  await attempt.create("fox@example.test", PASSWORD);
  assert.equal(attempt.session.verified, false);
  await attempt.verify("123456");
  assert.equal(await connect(attempt), true);
  assert.deepEqual(steps, [
    "create", "sessionStatus", "verifyCode", "canLink", "isFlowActive", "accountKeys", "scopedKeyData", "authorize",
    "login", "oauthLogin",
  ]);
  const sealed = orders.find((order) => order.op === "scoped_keys");
  assert.equal(sealed.unwrap_b_key, UNWRAP);
  assert.equal(sealed.keys_jwk, "jwk");
  assert.match(sealed.ephemeral, /^[0-9a-f]{64}$/);
  assert.match(sealed.iv, /^[0-9a-f]{24}$/);
});

test("neither password nor kB nor keys are sent to anybody", async () => {
  const { attempt, sent, orders } = bench();
  await attempt.create("fox@example.test", PASSWORD);
  await connect(attempt);
  const kB = orders.find((order) => order.op === "sign_up").k_b;
  for (const secret of [PASSWORD, kB, UNWRAP]) assert.ok(!sent.some((call) => call.includes(secret)), secret);
});

test("a server without mail verifies at once", async () => {
  const { attempt } = bench({ accounts: { sessionStatus: { state: "verified" } } });
  await attempt.create("fox@example.test", PASSWORD);
  assert.equal(attempt.session.verified, true);
});

test("each version of an account is stretched in its way", async () => {
  const v2 = bench();
  await v2.attempt.login("fox@example.test", PASSWORD);
  assert.deepEqual(v2.orders.map((order) => order.op), ["stretch_v2"]);
  const v1 = bench({ accounts: { credentialsStatus: { currentVersion: "v1" } } });
  await v1.attempt.login("fox@example.test", PASSWORD);
  assert.deepEqual(v1.orders.map((order) => order.op), ["stretch_v1"]);
});

test("another spelling of the address is taken over, once", async () => {
  const spelled = (limit) => {
    let calls = 0;
    return ({ email }) => {
      calls += 1;
      if (calls <= limit) throw new ApiError(400, { errno: 120, email: "Fox@example.test" }, null);
      return { uid: "uid", sessionToken: "session", verified: true, keyFetchToken: "kft1", email };
    };
  };
  const v1 = { currentVersion: "v1" };
  const good = bench({ accounts: { credentialsStatus: v1, login: spelled(1) } });
  await good.attempt.login("fox@example.test", PASSWORD);
  assert.equal(good.attempt.session.email, "Fox@example.test");
  const endless = bench({ accounts: { credentialsStatus: v1, login: spelled(9) } });
  await assert.rejects(endless.attempt.login("fox@example.test", PASSWORD), { errno: 120 });
  assert.equal(endless.steps.filter((step) => step === "login").length, 2);
});

test("a declined merge ends the session and connects nothing", async () => {
  const { attempt, steps } = bench({ channel: { canLink: false } });
  await attempt.login("fox@example.test", PASSWORD);
  assert.equal(await connect(attempt), false);
  assert.deepEqual(steps.slice(-2), ["canLink", "destroySession"]);
});

test("a flow Firefox has forgotten is begun anew", async () => {
  const beginFlow = (scopes) => ({ ...FLOW, state: "fresh", keys_jwk: "fresh-key", scope: scopes.join(" ") });
  for (const start of [{ flow: FLOW, isFlowActive: false }, { flow: null, isFlowActive: true }]) {
    const { attempt, sent, orders } = bench({ flow: start.flow, channel: { isFlowActive: start.isFlowActive, beginFlow } });
    await attempt.login("fox@example.test", PASSWORD);
    await connect(attempt);
    assert.ok(sent.find((call) => call.startsWith('["authorize"')).includes('"fresh"'));
    assert.equal(orders.find((order) => order.op === "scoped_keys").keys_jwk, "fresh-key");
  }
});

test("a session is given up only while Firefox does not have it", async () => {
  const refuse = () => {
    throw new Error("refused");
  };
  const before = bench({ accounts: { authorize: refuse } });
  await before.attempt.login("fox@example.test", PASSWORD);
  await assert.rejects(connect(before.attempt));
  await before.attempt.abandon();
  assert.equal(before.steps.at(-1), "destroySession");
  const after = bench({ channel: { login: refuse } });
  await after.attempt.login("fox@example.test", PASSWORD);
  await assert.rejects(connect(after.attempt));
  await after.attempt.abandon();
  assert.ok(!after.steps.includes("destroySession"));
});

test("payment data and addresses are synced only when asked for", async () => {
  const plain = bench();
  await plain.attempt.login("fox@example.test", PASSWORD);
  await connect(plain.attempt);
  assert.ok(plain.sent.find((call) => call.includes("offeredEngines")).includes('"offeredEngines":["bookmarks"],"declinedEngines":[]'));
  const chosen = bench();
  chosen.attempt.chooseEngines(["bookmarks", "creditcards"], ["bookmarks"]);
  await chosen.attempt.create("fox@example.test", PASSWORD);
  await connect(chosen.attempt);
  assert.ok(chosen.sent.find((call) => call.includes("offeredEngines")).includes('"declinedEngines":["bookmarks"]'));
});

test("on the web no keys are fetched", async () => {
  const { attempt, sent } = bench({ withFirefox: false });
  await attempt.login("fox@example.test", PASSWORD);
  assert.ok(sent.find((call) => call.startsWith('["login"')).includes('{"keys":false}'));
});

test("a second factor is given as a code of the authenticator or as a backup code", async () => {
  const waiting = { uid: "uid", sessionToken: "session", verified: false, verificationMethod: "totp-2fa", keyFetchTokenVersion2: "kft2" };
  const right = new Set(["123456", "7h3kz-0q1vw"]);
  const { attempt, steps, sent } = bench({
    accounts: {
      login: waiting,
      verifyTotp: (_, code) => ({ success: right.has(code) }),
      verifyBackupCode: (_, code) => {
        if (right.has(code)) return { remaining: 7 };
        throw new ApiError(400, { errno: code.length > 20 ? 107 : 156 }, null);
      },
    },
  });
  for (const [typed, expected] of [
    ["000000", false], ["123 456", true], [" 7h3kz-0q1vw ", true], ["zzzzz", false], ["z".repeat(21), false],
  ]) {
    await attempt.login("fox@example.test", PASSWORD);
    assert.equal(attempt.awaitsSecondFactor, true);
    assert.equal(attempt.session.verified, false);
    assert.equal(await attempt.giveSecondFactor(typed), expected, typed);
    assert.equal(attempt.session.verified, expected, typed);
  }
  assert.ok(!sent.some((call) => call.includes("resendCode")));
  assert.deepEqual(steps.filter((step) => step.startsWith("verify")), [
    "verifyTotp", "verifyTotp", "verifyBackupCode", "verifyBackupCode", "verifyBackupCode",
  ]);
  await attempt.giveSecondFactor("123456");
  assert.equal(await connect(attempt), true);
});

test("a sign-in that is confirmed by mail asks for digits, and knows that they were sent", async () => {
  const unverified = { uid: "uid", sessionToken: "session", verified: false, verificationMethod: "email-2fa" };
  for (const [verificationReason, expected] of [["login", true], ["signup", false]]) {
    const { attempt, sent } = bench({ accounts: { login: { ...unverified, verificationReason } } });
    await attempt.login("fox@example.test", PASSWORD);
    assert.deepEqual([attempt.isCodeSent, attempt.awaitsSecondFactor], [expected, false]);
    const asked = JSON.parse(sent.find((call) => call.startsWith('["login"')))[1][0];
    assert.equal(asked.verificationMethod, "email-2fa");
    await attempt.verify("123456");
    assert.equal(attempt.session.verified, true);
  }
});

test("a server that cannot be asked about a backup code is no wrong code", async () => {
  const { attempt } = bench({
    accounts: { verifyBackupCode: () => { throw new ApiError(503, { errno: 201 }, "5"); } },
  });
  await attempt.login("fox@example.test", PASSWORD);
  await assert.rejects(attempt.giveSecondFactor("7h3kz0q1vw"), { errno: 201 });
});

test("a session of before waits for a second factor, or else for the mailed code", async () => {
  for (const [emailStatus, authenticatorAssuranceLevel, expected] of [
    [{ emailVerified: true, sessionVerified: false }, 2, true],
    [{ emailVerified: true, sessionVerified: false }, 1, false],
    [{ emailVerified: false, sessionVerified: false }, 2, false],
    [{ emailVerified: true, sessionVerified: true }, 2, false],
  ]) {
    // As the server does: a session that is not confirmed is not told of the second factor by that call.
    const totpExists = () => { throw new ApiError(400, { errno: 138 }); };
    const accountProfile = { authenticatorAssuranceLevel };
    const { attempt } = bench({ accounts: { emailStatus, totpExists, accountProfile }, withFirefox: false });
    await attempt.resume({ uid: "uid", email: "fox@example.test", sessionToken: "session" });
    assert.equal(attempt.awaitsSecondFactor, expected);
    assert.deepEqual([attempt.session.sessionToken, attempt.session.verified], ["session", false]);
  }
});
