// The page's side of the cryptography worker. Called by api.js (request signatures) and signin.js (passwords, keys).
// What passes here never goes to storage or to the server, except where an operation's result is made for that.

/** The cryptography could not be loaded, or refused what it was given. */
export class CryptoError extends Error {
  name = "CryptoError";

  /** `reason` is what the module itself says, where it was the one that refused. */
  constructor(message, reason = "") {
    super(message);
    this.reason = reason;
  }
}

/** Random bytes as lower-case hex. `getRandomValues` also exists on plain http, unlike crypto.subtle. */
export function randomHex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** XOR of two hex texts of the same length: what joins and parts kB, wrapKb and unwrapBKey. */
export function xorHex(left, right) {
  if (left.length !== right.length) throw new CryptoError("The server sent a key of the wrong length.");
  return [...left].map((digit, at) => (parseInt(digit, 16) ^ parseInt(right[at], 16)).toString(16)).join("");
}

/**
 * Starts the worker and returns `seal(op, values)`, which resolves to the operation's result. A worker that broke never
 * answers again, so the next order starts another one.
 */
export function startCrypto() {
  const waiting = new Map();
  let lastId = 0;
  let worker = startWorker();

  function startWorker() {
    const started = new Worker("/page/crypto-worker.js");
    started.addEventListener("message", ({ data: { id, result, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new CryptoError(`The cryptography of this page failed: ${error}.`, error));
    });
    started.addEventListener("error", (event) => {
      started.terminate();
      worker = null;
      const reason = event.message || "the worker did not start";
      for (const { reject } of waiting.values()) {
        reject(new CryptoError(`The cryptography of this page failed: ${reason}. Please reload the page.`));
      }
      waiting.clear();
    });
    return started;
  }

  return (op, values) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      worker ??= startWorker();
      worker.postMessage({ id: lastId, order: { op, ...values } });
    });
}
