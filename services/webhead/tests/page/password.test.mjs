// New passwords: the order of the calls, what each is given, and what must never leave the page.

import assert from "node:assert/strict";
import test from "node:test";

import { ApiError } from "../../src/page/api.js";
import { CryptoError } from "../../src/page/crypto.js";
import { PasswordReset, changePassword } from "../../src/page/password.js";

const SESSION = { uid: "uid", email: "fox@example.test", sessionToken: "session", verified: true };
const OLD = "correct horse battery";
const NEW = "battery staple horse";
const WRAPPED = "ff".repeat(32);
const UNWRAP = "0f".repeat(32);
const K_B = "f0".repeat(32);

/** A server and a cryptography that only note what they are asked. */
function bench(answers = {}) {
  const steps = [];
  const sent = [];
  const accounts = new Proxy({}, {
    get: (_, name) => async (...values) => {
      steps.push(name);
      sent.push([name, ...values]);
      const answer = {
        credentialsStatus: { currentVersion: "v2", clientSalt: "salt" },
        startPasswordChange: { passwordChangeToken: "change", keyFetchToken2: "kft2", verified: true },
        accountKeys: { wrap_kb: WRAPPED },
        finishPasswordChange: { uid: "uid", sessionToken: "fresh", verified: true, authAt: 1 },
        verifyResetCode: { accountResetToken: "reset", uid: "uid" },
        recoveryData: { recoveryData: "sealed" },
        resetAccount: { uid: "uid", sessionToken: "fresh", verified: true },
        ...answers,
      }[name];
      return typeof answer === "function" ? answer(...values) : answer;
    },
  });
  const orders = [];
  const seal = async (op, values) => {
    orders.push({ op, ...values });
    switch (op) {
      case "stretch_v1": return { auth_pw: `v1 of ${values.email}`, unwrap_b_key: UNWRAP };
      case "stretch_v2": return { auth_pw: "v2", unwrap_b_key: UNWRAP };
      case "sign_up":
        return { auth_pw: "a1", wrap_kb: "w1", auth_pw_version2: "a2", wrap_kb_version2: "w2", client_salt: "new salt" };
      case "token": return { id: `id of ${values.token}` };
      case "read_recovery_key":
        if (!values.typed.trim().startsWith("A")) throw new CryptoError("failed", "the recovery key does not fit");
        return { id: "key id" };
      case "open_recovery_key": return { k_b: K_B };
    }
  };
  const change = (session = SESSION) =>
    changePassword({ accounts, seal, session, oldPassword: OLD, newPassword: NEW, onStep: () => {} });
  return { accounts, seal, steps, sent, orders, change };
}

const MADE = { authPW: "a1", wrapKb: "w1", authPWVersion2: "a2", wrapKbVersion2: "w2", clientSalt: "new salt" };

test("a change keeps the key, sets both versions and names the session it is made in", async () => {
  const { change, steps, sent, orders } = bench();
  const renewed = await change();
  assert.deepEqual(steps, ["credentialsStatus", "startPasswordChange", "accountKeys", "finishPasswordChange"]);
  assert.deepEqual(sent[1].slice(1), ["session", { email: SESSION.email, oldAuthPW: "v2" }]);
  assert.deepEqual(sent[2].slice(1), ["kft2"]);
  assert.deepEqual(sent[3].slice(1), ["change", { ...MADE, sessionToken: "id of session" }]);
  const made = orders.find((order) => order.op === "sign_up");
  assert.deepEqual([made.password, made.k_b, made.email], [NEW, K_B, SESSION.email]);
  assert.match(made.salt_core, /^[0-9a-f]{32}$/);
  assert.deepEqual(renewed, { uid: "uid", email: SESSION.email, sessionToken: "fresh", verified: true, awaitsSecondFactor: false });
});

test("an account of version 1 is changed in the spelling it was made with, and comes out with version 2", async () => {
  const startPasswordChange = (_, { email }) => {
    if (email !== "Fox@example.test") throw new ApiError(400, { errno: 120, email: "Fox@example.test" }, null);
    return { passwordChangeToken: "change", keyFetchToken: "kft1", verified: true };
  };
  const { change, sent, orders } = bench({ credentialsStatus: { currentVersion: "v1" }, startPasswordChange });
  const renewed = await change();
  assert.equal(renewed.email, "Fox@example.test");
  assert.deepEqual(orders.filter((order) => order.op === "stretch_v1").map((order) => order.email), [
    "fox@example.test", "Fox@example.test",
  ]);
  assert.deepEqual(sent.find(([name]) => name === "accountKeys").slice(1), ["kft1"]);
  assert.equal(orders.find((order) => order.op === "sign_up").email, "Fox@example.test");
});

test("a wrong password changes nothing", async () => {
  const startPasswordChange = () => {
    throw new ApiError(400, { errno: 103 }, null);
  };
  const { change, steps } = bench({ startPasswordChange });
  await assert.rejects(change(), { errno: 103 });
  assert.ok(!steps.includes("finishPasswordChange"));
});

/** As `Accounts` throws it when the first try had no answer, and the second one found the token spent. */
function spentUnseen() {
  const error = new ApiError(401, { errno: 110 }, null);
  error.mayBeDone = true;
  return error;
}

const fails = (make) => () => {
  throw make();
};
const refusal = (errno) => new ApiError(400, { errno }, null);

test("a change whose answer was lost is told by a sign-in with the new password", async () => {
  const login = { uid: "uid", sessionToken: "signed in", verified: true };
  const { change, sent } = bench({ finishPasswordChange: fails(spentUnseen), login });
  const renewed = await change();
  assert.deepEqual(sent.at(-1), ["login", { email: SESSION.email, authPW: "a1", reason: "login", verificationMethod: "email-2fa" }, { keys: false }]);
  assert.deepEqual(renewed, { uid: "uid", email: SESSION.email, sessionToken: "signed in", verified: true, awaitsSecondFactor: false });
  // It was another one.
  const other = bench({ finishPasswordChange: fails(spentUnseen), login: fails(() => refusal(103)) });
  await assert.rejects(other.change(), { errno: 110, passwordMayBeSet: false });
  // Nobody can tell.
  const away = bench({ finishPasswordChange: fails(spentUnseen), login: fails(() => refusal(114)) });
  await assert.rejects(away.change(), { passwordMayBeSet: true });
  const lost = bench({ finishPasswordChange: fails(() => new ApiError(0, {})) });
  await assert.rejects(lost.change(), { passwordMayBeSet: true });
  assert.ok(!lost.steps.includes("login"));
  // A token that has run out is no reason to try.
  const late = bench({ finishPasswordChange: fails(() => new ApiError(401, { errno: 110 }, null)) });
  await assert.rejects(late.change(), { errno: 110, passwordMayBeSet: false });
  assert.ok(!late.steps.includes("login"));
});

test("a reset whose answer was lost is told by a sign-in, also at the next try", async () => {
  const link = { email: SESSION.email, token: "forgot", code: "code" };
  const login = { uid: "uid", sessionToken: "signed in", verified: true };
  for (const signIn of [true, false]) {
    const errors = [() => new ApiError(0, {}), () => new ApiError(401, { errno: 110 }, null)];
    const resetAccount = () => {
      throw errors.shift()();
    };
    const { accounts, seal, steps } = bench({ resetAccount, login, destroySession: {} });
    const reset = new PasswordReset({ accounts, seal, link });
    await assert.rejects(reset.set(NEW, { signIn }), { passwordMayBeSet: true });
    const session = await reset.set(NEW, { signIn });
    assert.equal(session?.sessionToken, signIn ? "signed in" : undefined);
    assert.equal(steps.includes("login"), true);
  }
});

test("a reset shows the code once and may be tried again after that", async () => {
  let tries = 0;
  const resetAccount = () => {
    tries += 1;
    if (tries === 1) throw new ApiError(503, { errno: 201 }, "1");
    return { uid: "uid", sessionToken: "fresh", verified: true };
  };
  const { accounts, seal, steps, sent, orders } = bench({ resetAccount });
  const link = { email: SESSION.email, token: "forgot", code: "code" };
  const reset = new PasswordReset({ accounts, seal, link });
  await assert.rejects(reset.set(NEW, { signIn: true }), { errno: 201 });
  const session = await reset.set(NEW, { signIn: true });
  assert.deepEqual(steps, ["verifyResetCode", "resetAccount", "resetAccount"]);
  assert.deepEqual(sent[0].slice(1), ["forgot", "code"]);
  assert.deepEqual(sent[2].slice(1), ["reset", { ...MADE, sessionToken: true }]);
  assert.deepEqual(session, { uid: "uid", email: SESSION.email, sessionToken: "fresh", verified: true, awaitsSecondFactor: false });
  const keys = orders.filter((order) => order.op === "sign_up").map((order) => order.k_b);
  for (const k_b of keys) assert.match(k_b, /^[0-9a-f]{64}$/);
  assert.notEqual(keys[0], keys[1], "a new key each time");
});

test("where Firefox signs in by itself no session is opened", async () => {
  const { accounts, seal, sent } = bench({ resetAccount: {} });
  const reset = new PasswordReset({ accounts, seal, link: { email: SESSION.email, token: "forgot", code: "code" } });
  assert.equal(await reset.set(NEW, { signIn: false }), null);
  assert.equal(sent.at(-1)[2].sessionToken, false);
});

test("neither passwords nor kB nor what unwraps it are sent to anybody", async () => {
  const { accounts, seal, sent, orders, change } = bench();
  await change();
  await new PasswordReset({ accounts, seal, link: { email: "e", token: "t", code: "c" } }).set(NEW, { signIn: true });
  const secrets = [OLD, NEW, K_B, UNWRAP, ...orders.filter((order) => order.op === "sign_up").map((order) => order.k_b)];
  for (const secret of secrets) assert.ok(!sent.some((call) => JSON.stringify(call).includes(secret)), secret);
});

const LINK = { email: SESSION.email, token: "forgot", code: "code" };

test("a reset with a recovery key keeps the account's key, and names the recovery key", async () => {
  const { accounts, seal, steps, sent, orders } = bench();
  const reset = new PasswordReset({ accounts, seal, link: LINK });
  const session = await reset.set(NEW, { signIn: true, recoveryKey: " A2GT " });
  assert.deepEqual(steps, ["verifyResetCode", "recoveryData", "resetAccount"]);
  assert.deepEqual(sent[1].slice(1), ["reset", "key id"]);
  assert.deepEqual(orders.map((order) => order.op), ["read_recovery_key", "open_recovery_key", "sign_up"]);
  assert.deepEqual([orders[0].uid, orders[1].uid, orders[1].data], ["uid", "uid", "sealed"]);
  assert.equal(orders[2].k_b, K_B);
  assert.deepEqual(sent[2].slice(1), ["reset", { ...MADE, recoveryKeyId: "key id", sessionToken: true }]);
  assert.equal(session.awaitsSecondFactor, false);
  assert.ok(!JSON.stringify(sent).includes(K_B) && !JSON.stringify(sent).includes("A2GT"));
});

test("a recovery key that does not fit changes nothing, and may be typed again", async () => {
  const wrong = [() => refusal(158), () => refusal(159)];
  const recoveryData = () => {
    const make = wrong.shift();
    if (make) throw make();
    return { recoveryData: "sealed" };
  };
  const { accounts, seal, steps } = bench({ recoveryData });
  const reset = new PasswordReset({ accounts, seal, link: LINK });
  for (const recoveryKey of ["B2GT", "A2GT", "A2GT"]) {
    await assert.rejects(reset.set(NEW, { signIn: true, recoveryKey }), { name: "UnfitKeyError" });
  }
  await reset.set(NEW, { signIn: true, recoveryKey: "A2GT" });
  assert.deepEqual(steps, ["verifyResetCode", "recoveryData", "recoveryData", "recoveryData", "resetAccount"]);
});

test("a reset of an account with a second factor waits for it", async () => {
  const answer = { uid: "uid", sessionToken: "fresh", verified: false, verificationMethod: "totp-2fa" };
  const { accounts, seal } = bench({ resetAccount: answer });
  const session = await new PasswordReset({ accounts, seal, link: LINK }).set(NEW, { signIn: true });
  assert.deepEqual([session.verified, session.awaitsSecondFactor], [false, true]);
});
