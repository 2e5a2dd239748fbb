// The worker that runs the page's cryptography: the server's own Rust crate, compiled to WebAssembly. Started by
// crypto.js. A worker, because stretching a password takes seconds in which the page must stay alive; WebAssembly,
// because a page on plain http has no crypto.subtle.
//
// In: {id, order}, order being the JSON object the module reads. Out: {id, result} or {id, error}.

const loading = load();

async function load() {
  const answer = await fetch("/page/page_crypto.wasm", { credentials: "omit" });
  if (!answer.ok) throw new Error(`the cryptography could not be loaded (HTTP status ${answer.status})`);
  // Not instantiateStreaming: that insists on a media type, which a proxy in between may have changed.
  const { instance } = await WebAssembly.instantiate(await answer.arrayBuffer(), {});
  return instance.exports;
}

/** Hands one order to the module. Addresses are read again after each call: the memory may have moved by growing. */
function run(wasm, order) {
  const input = new TextEncoder().encode(JSON.stringify(order));
  const at = wasm.input(input.length);
  if (at === 0) throw new Error("the order is too long");
  new Uint8Array(wasm.memory.buffer, at, input.length).set(input);
  input.fill(0);
  const failed = wasm.run() !== 0;
  const output = new Uint8Array(wasm.memory.buffer, wasm.output(), wasm.output_len());
  const result = JSON.parse(new TextDecoder().decode(output));
  output.fill(0);
  if (failed) throw new Error(result.error ?? "the cryptography refused the order");
  return result;
}

self.addEventListener("message", async ({ data: { id, order } }) => {
  try {
    self.postMessage({ id, result: run(await loading, order) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
});
