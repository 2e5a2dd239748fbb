// The page's side of the cryptography worker, with a stand-in for the browser's Worker.

import assert from "node:assert/strict";
import test from "node:test";

import { CryptoError, startCrypto } from "../../src/page/crypto.js";

/** Makes `new Worker()` give one worker after the other of `kinds`: "sound" ones answer, "broken" ones fail to start. */
function workers(...kinds) {
  const made = [];
  globalThis.Worker = class extends EventTarget {
    constructor() {
      super();
      this.kind = kinds[made.length] ?? "sound";
      made.push(this);
      if (this.kind === "broken") queueMicrotask(() => this.dispatchEvent(new Event("error")));
    }

    postMessage({ id, order }) {
      if (this.kind === "broken") return;
      const data = order.op === "bad" ? { id, error: "no such order" } : { id, result: order.op };
      queueMicrotask(() => this.dispatchEvent(Object.assign(new Event("message"), { data })));
    }

    terminate() {}
  };
  return made;
}

const aMoment = () => new Promise((resolve) => setTimeout(resolve, 0));

test("answers find the order they belong to", async () => {
  workers("sound");
  const seal = startCrypto();
  assert.deepEqual(await Promise.all([seal("one", {}), seal("two", {})]), ["one", "two"]);
  await assert.rejects(seal("bad", {}), CryptoError);
});

test("a worker that broke fails what waits for it", async () => {
  workers("broken");
  await assert.rejects(startCrypto()("one", {}), CryptoError);
});

test("a worker that broke before it was needed is replaced, so that nobody waits for it forever", async () => {
  const made = workers("broken", "sound");
  const seal = startCrypto();
  await aMoment();
  const answer = await Promise.race([seal("one", {}), aMoment().then(aMoment).then(() => "still waiting")]);
  assert.equal(answer, "one");
  assert.equal(made.length, 2);
});
