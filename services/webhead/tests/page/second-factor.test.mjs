// Turning a second factor on and off.

import assert from "node:assert/strict";
import test from "node:test";

import { SecondFactorSetUp } from "../../src/page/second-factor.js";

function bench(answers) {
  const calls = [];
  const accounts = new Proxy({}, {
    get: (_, name) => async (...values) => {
      calls.push([name, ...values]);
      return answers[name];
    },
  });
  return { setUp: new SecondFactorSetUp({ accounts, session: { sessionToken: "session" } }), calls };
}

test("a secret that was only made is not on", async () => {
  for (const [answer, isOn] of [
    [{ exists: false, verified: false }, false], [{ exists: true, verified: false }, false],
    [{ exists: true, verified: true }, true],
  ]) assert.equal(await bench({ totpExists: answer }).setUp.isOn(), isOn);
});

test("the secret is shown in groups, beside a picture of our own kind only", async () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  const good = bench({ createTotp: { secret, qrCodeUrl: "data:image/svg+xml;base64,PHN2Zy8+" } });
  assert.deepEqual(await good.setUp.begin(), {
    picture: "data:image/svg+xml;base64,PHN2Zy8+", secret: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
  });
  for (const qrCodeUrl of ["https://evil.example/x.png", "data:text/html,x", "javascript:alert(1)"]) {
    assert.equal((await bench({ createTotp: { secret, qrCodeUrl } }).setUp.begin()).picture, "");
  }
});

test("the first right code gives the backup codes", async () => {
  const right = bench({ verifyTotp: { success: true, recoveryCodes: ["7h3kz0q1vw", "0123456789"] } });
  assert.deepEqual(await right.setUp.confirm(" 123 456"), ["7h3kz-0q1vw", "01234-56789"]);
  assert.deepEqual(right.calls, [["verifyTotp", "session", "123456"]]);
  // Turned on by a try whose answer was lost.
  const lost = bench({ verifyTotp: { success: true }, renewBackupCodes: { recoveryCodes: ["7h3kz0q1vw"] } });
  assert.deepEqual(await lost.setUp.confirm("123456"), ["7h3kz-0q1vw"]);
  assert.deepEqual(lost.calls.at(-1), ["renewBackupCodes", "session"]);
  const wrong = bench({ verifyTotp: { success: false } });
  assert.equal(await wrong.setUp.confirm("123456"), null);
  assert.equal(await wrong.setUp.confirm("12345"), null);
  assert.equal(wrong.calls.length, 1, "what cannot be a code is not sent");
});

test("it is ended in the session", async () => {
  const { setUp, calls } = bench({});
  await setUp.end();
  assert.deepEqual(calls, [["destroyTotp", "session"]]);
});
