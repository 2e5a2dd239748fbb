// Answers questions with the libraries that old clients and verifiers of BrowserID are built on: one line of JSON each, in
// and out. Where the libraries lie is the first argument.

const { createRequire } = require("node:module");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const fromFolder = createRequire(join(process.argv[2], "package.json"));
const jwcrypto = fromFolder("browserid-crypto");
fromFolder("browserid-crypto/lib/algs/ds");
fromFolder("browserid-crypto/lib/algs/rs");
const verifier = fromFolder("browserid-local-verify");

// Private keys stay in here, as in a browser.
const keys = [];

function promised(work) {
  return new Promise((resolve, reject) => work((error, value) => (error ? reject(error) : resolve(value))));
}

// The product of two primes of half the size may be a bit short: a third of the library's RSA keys are, and a key that is
// too short is refused. So one is drawn that is whole.
const RSA_BITS = { 64: 512, 128: 1024, 256: 2048 };

function isWhole({ algorithm, n }, keysize) {
  return algorithm !== "RS" || BigInt(n).toString(2).length === RSA_BITS[keysize];
}

async function generate({ algorithm, keysize }) {
  for (;;) {
    const pair = await promised((done) => jwcrypto.generateKeypair({ algorithm, keysize }, done));
    const publicKey = JSON.parse(pair.publicKey.serialize());
    if (isWhole(publicKey, keysize)) {
      keys.push(pair.secretKey);
      return { key: keys.length - 1, publicKey };
    }
  }
}

async function bundle({ key, certificate, audience, expiresAt }) {
  const params = { audience, expiresAt: new Date(expiresAt) };
  const assertion = await promised((done) => jwcrypto.assertion.sign({}, params, keys[key], done));
  return jwcrypto.cert.bundle([certificate], assertion);
}

function verify({ assertion, audience, documents }) {
  const httpRequest = (domain, _path, done) => {
    const body = documents[domain];
    done(null, body ? 200 : 404, { "content-type": "application/json" }, body);
  };
  return promised((done) => verifier.verify({ assertion, audience, httpRequest }, done));
}

const QUESTIONS = { generate, bundle, verify };

async function answer(line) {
  const asked = JSON.parse(line);
  try {
    return { answer: await QUESTIONS[asked.what](asked) };
  } catch (error) {
    return { refused: String(error.message ?? error) };
  }
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
})();
