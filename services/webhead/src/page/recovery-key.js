// The recovery key, without a word about screens: made in a session, and used with the link of a mail. Called by
// settings-screens.js and password.js. The key is shown once; neither it nor kB is sent or kept.

import { inStoredSpelling, stretch } from "./credentials.js";
import { randomHex } from "./crypto.js";

/** What the cryptography says of a typed key that is none. */
const UNFIT = "the recovery key does not fit";

/** What was typed is not a recovery key, or not this account's. */
export class UnfitKeyError extends Error {
  name = "UnfitKeyError";

  constructor() {
    super("This is not the account’s recovery key. It has 32 letters and digits, and begins with A.");
  }
}

async function fitting(work) {
  try {
    return await work;
  } catch (error) {
    const isUnfit = error.reason === UNFIT || error.errno === 158 || error.errno === 159;
    throw isUnfit ? new UnfitKeyError() : error;
  }
}

/** The account's key and the recovery key's id, from a key as it was typed: {id, k_b}. */
export async function kBOf({ accounts, seal, uid, resetToken, typed }) {
  const { id } = await fitting(seal("read_recovery_key", { uid, typed }));
  const { recoveryData } = await fitting(accounts.recoveryData(resetToken, id));
  const { k_b } = await fitting(seal("open_recovery_key", { uid, typed, data: recoveryData }));
  return { id, k_b };
}

/** Making one: `prove`, then `make`, then `keep`. Only what the person has is ever stored. */
export class NewRecoveryKey {
  #accounts;
  #seal;
  #session;
  /** What opens the account's keys, between `prove` and `make`. */
  #keyAccess = null;
  /** {id, data} of the key that is shown. */
  #made = null;

  constructor({ accounts, seal, session }) {
    this.#accounts = accounts;
    this.#seal = seal;
    this.#session = session;
  }

  exists() {
    return this.#accounts.recoveryKeyExists(this.#session.sessionToken);
  }

  delete() {
    return this.#accounts.deleteRecoveryKey(this.#session.sessionToken);
  }

  /** Gives the password once more. Resolves to whether a second factor is asked for before `make`. */
  prove(password) {
    const { sessionToken } = this.#session;
    return inStoredSpelling(this.#session.email, async (email) => {
      const { auth_pw, unwrap_b_key } = await stretch(this.#accounts, this.#seal, email, password);
      const answer = await this.#accounts.reauthenticate(sessionToken, { email, authPW: auth_pw }, { keys: true });
      this.#keyAccess = { token: answer.keyFetchTokenVersion2 ?? answer.keyFetchToken, unwrap_b_key };
      return answer.verificationMethod === "totp-2fa";
    });
  }

  /** A new key, to be shown. */
  async make() {
    const { token, unwrap_b_key } = this.#keyAccess;
    // Kept until the keys are there: a server that was busy can be asked again.
    const { k_a, wrap_kb } = await this.#accounts.accountKeys(token);
    this.#keyAccess = null;
    const { key, id, data } = await this.#seal("make_recovery_key", {
      uid: this.#session.uid,
      random: randomHex(20),
      iv: randomHex(12),
      k_a,
      wrap_kb,
      unwrap_b_key,
    });
    this.#made = { id, data };
    return key;
  }

  /** Stores what the key opens, in place of an older one, once it was typed. */
  async keep(typed) {
    const { uid, sessionToken } = this.#session;
    const read = await fitting(this.#seal("read_recovery_key", { uid, typed }));
    if (read.id !== this.#made.id) throw new UnfitKeyError();
    const { id, data } = this.#made;
    await this.#accounts.createRecoveryKey(sessionToken, { recoveryKeyId: id, recoveryData: data, replaceKey: true });
  }
}
