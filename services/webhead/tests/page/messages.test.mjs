// Every refusal of the contract's error table that a sign-in can meet has a sentence of its own.

import assert from "node:assert/strict";
import test from "node:test";

import { ApiError } from "../../src/page/api.js";
import { ChannelError } from "../../src/page/channel.js";
import { nextScreenFor, resetLinkSentence, sentenceFor, waitInWords } from "../../src/page/messages.js";

const REFUSALS = [
  [400, [100, 101, 102, 103, 104, 105, 106, 107, 108, 120, 125, 126, 133, 134, 135, 138, 142, 149, 152, 153, 154, 155, 156, 158, 159,
    160, 161]],
  [400, [162, 163, 164, 167, 169, 170]],
  [401, [109, 110, 111, 115]],
  [403, [1001, 1002, 1003, 1004]],
  [409, [165]],
  [410, [116]],
  [411, [112]],
  [413, [113]],
  [422, [151]],
  [429, [114]],
  [500, [203, 998, 999]],
  [503, [201, 202]],
];

test("nobody is told a falsehood about a password that may be set", () => {
  for (const [status, errno] of [[0, undefined], [401, 110], [503, 201]]) {
    const error = new ApiError(status, { errno }, null);
    error.passwordMayBeSet = true;
    assert.match(sentenceFor(error), /did not say whether the new password is set/);
    assert.equal(resetLinkSentence(error) !== null, errno === 110);
  }
});

test("no refusal is answered with a shrug", () => {
  for (const [status, numbers] of REFUSALS) {
    for (const errno of numbers) {
      const sentence = sentenceFor(new ApiError(status, { errno, message: "" }, null));
      assert.match(sentence, /^[A-Z].{15,}\.$/, `${errno}`);
      assert.doesNotMatch(sentence, /undefined|NaN|something went wrong|with error/i, `${errno}`);
    }
  }
});

test("an unlisted refusal shows its number and the server's words", () => {
  assert.match(sentenceFor(new ApiError(400, { errno: 4711, message: "no such moon" }, null)), /error 4711: no such moon/);
  assert.match(sentenceFor(new ApiError(418, {}, null)), /HTTP status 418/);
});

test("waiting times are told", () => {
  assert.match(sentenceFor(new ApiError(429, { errno: 114, retryAfter: 90 }, null)), /in 90 seconds/);
  assert.match(sentenceFor(new ApiError(429, { errno: 114 }, "900")), /in 15 minutes/);
  assert.equal(waitInWords(0), "a minute");
  assert.equal(waitInWords(Number.NaN), "a minute");
  assert.equal(waitInWords(7200), "2 hours");
});

test("extras are used", () => {
  assert.match(sentenceFor(new ApiError(400, { errno: 105, tries: 2 }, null)), /Tries left: 2/);
  assert.match(sentenceFor(new ApiError(400, { errno: 108, param: "email" }, null)), /\(email\)/);
});

test("no answer, a silent Firefox and a fault of the page are told apart", () => {
  assert.match(sentenceFor(new ApiError(0, { message: "NetworkError" }, null)), /cannot be reached/);
  assert.equal(sentenceFor(new ChannelError("Firefox did not answer.")), "Firefox did not answer.");
  assert.match(sentenceFor(new TypeError("x is null")), /fault of its own: x is null/);
});

test("some errors lead to another screen", () => {
  assert.equal(nextScreenFor(new ApiError(400, { errno: 101 }, null)), "signin");
  assert.equal(nextScreenFor(new ApiError(400, { errno: 102 }, null)), "signup");
  assert.equal(nextScreenFor(new ApiError(400, { errno: 103 }, null)), null);
  assert.equal(nextScreenFor(new TypeError("x")), null);
});

test("a link that is spent is told from one that may be tried again", () => {
  for (const errno of [105, 110]) assert.match(resetLinkSentence(new ApiError(400, { errno }, null)), /another mail/);
  for (const error of [new ApiError(503, { errno: 201 }, "1"), new ApiError(0, {}, null), new TypeError("x")]) {
    assert.equal(resetLinkSentence(error), null);
  }
});
