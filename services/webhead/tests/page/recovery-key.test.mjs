// Making a recovery key: what is asked in which order, and what leaves the page.

import assert from "node:assert/strict";
import test from "node:test";

import { CryptoError } from "../../src/page/crypto.js";
import { NewRecoveryKey } from "../../src/page/recovery-key.js";

const SESSION = { uid: "uid", email: "fox@example.test", sessionToken: "session" };

function bench(answers = {}) {
  const calls = [];
  const accounts = new Proxy({}, {
    get: (_, name) => async (...values) => {
      calls.push([name, ...values]);
      return {
        credentialsStatus: { currentVersion: "v2", clientSalt: "salt" },
        reauthenticate: { verified: true, keyFetchToken: "kft1", keyFetchTokenVersion2: "kft2" },
        accountKeys: { k_a: "kA", wrap_kb: "wrapped" },
        ...answers,
      }[name];
    },
  });
  const orders = [];
  const seal = async (op, values) => {
    orders.push({ op, ...values });
    switch (op) {
      case "stretch_v2": return { auth_pw: "auth", unwrap_b_key: "unwrap" };
      case "make_recovery_key": return { key: "A2GT 58X4", id: "made", data: "sealed" };
      case "read_recovery_key":
        if (values.typed === "worker gone") throw new CryptoError("gone");
        if (values.typed.startsWith("B")) throw new CryptoError("failed", "the recovery key does not fit");
        return { id: values.typed === "a2gt58x4" ? "made" : "another" };
    }
  };
  return { making: new NewRecoveryKey({ accounts, seal, session: SESSION }), calls, orders };
}

test("a key is stored once it was typed, and never sent", async () => {
  const { making, calls, orders } = bench();
  assert.equal(await making.prove("horse"), false);
  assert.deepEqual(calls.at(-1), [
    "reauthenticate", "session", { email: SESSION.email, authPW: "auth" }, { keys: true },
  ]);
  assert.equal(await making.make(), "A2GT 58X4");
  assert.deepEqual(calls.at(-1), ["accountKeys", "kft2"]);
  const { op, uid, random, iv, k_a, wrap_kb, unwrap_b_key } = orders.at(-1);
  assert.deepEqual([op, uid, k_a, wrap_kb, unwrap_b_key], ["make_recovery_key", "uid", "kA", "wrapped", "unwrap"]);
  assert.match(random, /^[0-9a-f]{40}$/);
  assert.match(iv, /^[0-9a-f]{24}$/);
  for (const typed of ["A another", "B none"]) await assert.rejects(making.keep(typed), { name: "UnfitKeyError" });
  await assert.rejects(making.keep("worker gone"), { name: "CryptoError" });
  assert.ok(!calls.some(([name]) => name === "createRecoveryKey"), "nothing is stored before it was typed");
  await making.keep("a2gt58x4");
  const body = { recoveryKeyId: "made", recoveryData: "sealed", replaceKey: true };
  assert.deepEqual(calls.at(-1), ["createRecoveryKey", "session", body]);
});

test("an account with a second factor says so before the key is made", async () => {
  const reauthenticate = { verified: false, verificationMethod: "totp-2fa", keyFetchToken: "kft1" };
  const { making, calls } = bench({ reauthenticate });
  assert.equal(await making.prove("horse"), true);
  await making.make();
  assert.deepEqual(calls.at(-1), ["accountKeys", "kft1"]);
});
