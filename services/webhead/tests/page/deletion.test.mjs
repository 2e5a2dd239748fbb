// Deleting an account: what is asked in which order, and when it counts as done.

import assert from "node:assert/strict";
import test from "node:test";

import { ApiError } from "../../src/page/api.js";
import { deleteAccount } from "../../src/page/deletion.js";

const SESSION = { uid: "uid", email: "fox@example.test", sessionToken: "session" };
const PASSWORD = "correct horse battery";
const UNWRAP = "0f".repeat(32);

function bench(answers = {}) {
  const calls = [];
  const accounts = new Proxy({}, {
    get: (_, name) => async (...values) => {
      calls.push([name, ...values]);
      const answer = { credentialsStatus: { currentVersion: "v2", clientSalt: "salt" }, destroyAccount: {}, ...answers }[name];
      return typeof answer === "function" ? answer(...values) : answer;
    },
  });
  const seal = async (op, { email }) => ({ auth_pw: op === "stretch_v1" ? `v1 of ${email}` : "v2", unwrap_b_key: UNWRAP });
  return { calls, run: () => deleteAccount({ accounts, seal, session: SESSION, password: PASSWORD }) };
}

function refusal(errno, { status = 400, mayBeDone } = {}) {
  const error = new ApiError(status, { errno }, null);
  if (mayBeDone !== undefined) error.mayBeDone = mayBeDone;
  return error;
}

const fails = (error) => () => {
  throw error;
};

test("the password is stretched as the account wants it, and goes no further", async () => {
  for (const [currentVersion, authPW] of [["v2", "v2"], ["v1", "v1 of fox@example.test"]]) {
    const { run, calls } = bench({ credentialsStatus: { currentVersion, clientSalt: "salt" } });
    await run();
    assert.deepEqual(calls, [
      ["credentialsStatus", SESSION.email], ["destroyAccount", "session", { email: SESSION.email, authPW }],
    ]);
    for (const secret of [PASSWORD, UNWRAP]) assert.ok(!JSON.stringify(calls).includes(secret));
  }
});

test("the address is spelled as the account was made with", async () => {
  const destroyAccount = (_, { email }) => {
    if (email !== "Fox@example.test") throw new ApiError(400, { errno: 120, email: "Fox@example.test" }, null);
    return {};
  };
  const { run, calls } = bench({ credentialsStatus: { currentVersion: "v1" }, destroyAccount });
  await run();
  assert.deepEqual(calls.at(-1), ["destroyAccount", "session", { email: "Fox@example.test", authPW: "v1 of Fox@example.test" }]);
});

test("a refusal is a refusal, and nobody is asked about it", async () => {
  for (const errno of [103, 114, 125, 138, 165, 201, 999]) {
    const { run, calls } = bench({ destroyAccount: fails(refusal(errno, { mayBeDone: false })) });
    await run().then(() => assert.fail(`${errno}`), (error) => assert.equal(error.errno, errno));
    assert.ok(!calls.some(([name]) => name === "isGone"), `${errno}`);
  }
});

test("an account that has gone is deleted, whoever has done it", async () => {
  const errors = [
    refusal(110, { status: 401 }), refusal(102), new ApiError(0, {}), refusal(201, { status: 503 }),
    refusal(103, { mayBeDone: true }),
  ];
  for (const error of errors) {
    const gone = bench({ destroyAccount: fails(error), isGone: true });
    await gone.run();
    assert.deepEqual(gone.calls.at(-1), ["isGone", "uid"]);
    // The session has ended, the address is another's, or the try before has not come through.
    const there = bench({ destroyAccount: fails(error), isGone: false });
    await assert.rejects(there.run(), error);
  }
  // At the next try there is no account whose salt could be asked for.
  const later = bench({ credentialsStatus: fails(refusal(102)), isGone: true });
  await later.run();
  assert.deepEqual(later.calls.map(([name]) => name), ["credentialsStatus", "isGone"]);
});

test("a server that cannot say so has not deleted anything", async () => {
  const busy = refusal(201, { status: 503 });
  const { run } = bench({ destroyAccount: fails(refusal(110, { status: 401, mayBeDone: true })), isGone: fails(busy) });
  await assert.rejects(run(), busy);
});
