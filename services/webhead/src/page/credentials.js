// What stands in for a password towards the server: made here, so that the password goes no further. Called by signin.js
// and password.js. Nothing of it is kept.

import { randomHex } from "./crypto.js";

/** What the server is shown of a password, stretched as its account wants it: {auth_pw, unwrap_b_key}. */
export async function stretch(accounts, seal, email, password) {
  const { currentVersion, clientSalt } = await accounts.credentialsStatus(email);
  if (currentVersion === "v2" && clientSalt) return seal("stretch_v2", { password, client_salt: clientSalt });
  return seal("stretch_v1", { email, password });
}

/**
 * Members of a request that sets a password: always version 2, and the version 1 verifier along for clients that know
 * no other. `k_b` is the account's key, wrapped for both.
 */
export async function newCredentials(seal, email, password, k_b) {
  const made = await seal("sign_up", { email, password, salt_core: randomHex(16), k_b });
  return {
    authPW: made.auth_pw,
    wrapKb: made.wrap_kb,
    authPWVersion2: made.auth_pw_version2,
    wrapKbVersion2: made.wrap_kb_version2,
    clientSalt: made.client_salt,
  };
}

/**
 * Runs `step(email)`. The address is the salt of version 1, so it must be spelled as it was at sign-up: if that is what
 * was wrong, runs it once more with the right one. Resolves to what the step did, whose address was good.
 */
export async function inStoredSpelling(email, step) {
  try {
    return await step(email);
  } catch (error) {
    const spelled = error.errno === 120 ? error.extras.email : undefined;
    if (!spelled || spelled === email) throw error;
    return await step(spelled);
  }
}
