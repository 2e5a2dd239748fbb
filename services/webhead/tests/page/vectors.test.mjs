// Every known answer through the compiled module and the worker the page really uses, with the browser's worker
// surroundings put in place by hand. The same file is run in a real Firefox by the test bench.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import vm from "node:vm";

const read = (path) => fs.readFileSync(new URL(path, import.meta.url));
const cases = JSON.parse(read("../../../../libs/page-crypto/testdata/vectors.json"));

/** The page's worker; the function sends it a message and resolves to its answer. */
function startWorker(module) {
  const self = new EventTarget();
  const waiting = new Map();
  self.postMessage = (message) => waiting.get(message.id)(message);
  const fetch = async (path) => {
    assert.equal(path, "/page/page_crypto.wasm");
    return new Response(module.body, { status: module.status ?? 200 });
  };
  const surroundings = { self, fetch, WebAssembly, TextEncoder, TextDecoder, Uint8Array };
  vm.runInNewContext(read("../../src/page/crypto-worker.js").toString(), surroundings);
  let lastId = 0;
  return (order) =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      self.dispatchEvent(new MessageEvent("message", { data: { id: lastId, order } }));
    });
}

const ask = startWorker({ body: read("../../src/page/page_crypto.wasm") });

for (const { name, input, output } of cases) {
  test(name, async () => {
    const { result, error } = await ask(input);
    // Objects of the worker come from another realm, hence the copy.
    assert.deepEqual(JSON.parse(JSON.stringify(error === undefined ? result : { error })), output);
  });
}

test("one worker carries out many orders, also after one was refused", async () => {
  assert.ok((await ask({ op: "no such operation" })).error);
  const [{ input, output }] = cases;
  const answers = await Promise.all([ask(input), ask(input)]);
  for (const { result } of answers) assert.deepEqual(JSON.parse(JSON.stringify(result)), output);
});

test("an order beyond the module's room is refused, not written somewhere", async () => {
  const { error } = await ask({ op: "stretch_v1", email: "fox@example.test", password: "x".repeat(100_000) });
  assert.equal(error, "the order is too long");
});

test("a module that cannot be loaded is an answer too", async () => {
  const { error } = await startWorker({ body: "gone", status: 404 })({ op: "token" });
  assert.match(error, /HTTP status 404/);
});
