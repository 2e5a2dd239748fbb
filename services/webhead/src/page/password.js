// New passwords, without a word about screens: one that is changed by whoever knows the old one, and one that is set
// through a mailed link. Called by page.js. Passwords, unwrapBKey and kB live here only between two steps.

import { inStoredSpelling, newCredentials, stretch } from "./credentials.js";
import { randomHex, xorHex } from "./crypto.js";
import { kBOf } from "./recovery-key.js";

/**
 * Changes the password in a session. The account's key stays, so what is stored can still be read. Resolves to the
 * session that takes the place of the old one, which has ended with all others.
 */
export function changePassword({ accounts, seal, session, oldPassword, newPassword, onStep }) {
  return inStoredSpelling(session.email, async (email) => {
    onStep("Checking your password…");
    const old = await stretch(accounts, seal, email, oldPassword);
    const started = await accounts.startPasswordChange(session.sessionToken, { email, oldAuthPW: old.auth_pw });
    const { wrap_kb } = await accounts.accountKeys(started.keyFetchToken2 ?? started.keyFetchToken);
    onStep("Setting the new one…");
    const made = await newCredentials(seal, email, newPassword, xorHex(wrap_kb, old.unwrap_b_key));
    const { id } = await seal("token", { kind: "sessionToken", token: session.sessionToken });
    const body = { ...made, sessionToken: id };
    const answer = await orSignIn({ accounts, email, made }, () =>
      accounts.finishPasswordChange(started.passwordChangeToken, body),
    );
    return sessionOf(answer, email);
  });
}

/**
 * Sets a password by `call`. Where its answer was lost the token may be spent by the very try that set the password: then
 * signing in with the new one tells. An error after which nobody knows says so with `passwordMayBeSet`.
 */
async function orSignIn({ accounts, email, made, mayBeSet = false }, call) {
  try {
    return await call();
  } catch (error) {
    if (!error.mayBeDone && !mayBeSet) throw error;
    if (error.errno === 110) {
      try {
        const wished = { reason: "login", verificationMethod: "email-2fa" };
        return await accounts.login({ email, authPW: made.authPW, ...wished }, { keys: false });
      } catch (refused) {
        // Not this one at least, if it was the only one that was tried.
        if (refused.errno === 103 && !mayBeSet) throw error;
      }
    }
    error.passwordMayBeSet = true;
    throw error;
  }
}

/** One link of a mail. Its code is shown to the server once: what comes after may be tried again. */
export class PasswordReset {
  #accounts;
  #seal;
  #link;
  #resetToken = null;
  #uid = null;
  /** Whether an earlier try may have set its password. */
  #mayBeSet = false;

  /** `link` is {email, token, code} of the address. */
  constructor({ accounts, seal, link }) {
    this.#accounts = accounts;
    this.#seal = seal;
    this.#link = link;
  }

  /**
   * Sets the password. Without a recovery key the account gets a new key: what was stored under the old one cannot be
   * read any more. With one, as it was typed, the account's key stays, and the recovery key is spent. Resolves to a
   * session if `signIn`, else to null.
   */
  async set(password, { signIn, recoveryKey = "" }) {
    const { email } = this.#link;
    const accounts = this.#accounts;
    await this.#showLink();
    const kept = recoveryKey.trim() === "" ? null : await this.#open(recoveryKey);
    const made = await newCredentials(this.#seal, email, password, kept?.k_b ?? randomHex(32));
    const body = { ...made, ...(kept ? { recoveryKeyId: kept.id } : {}), sessionToken: signIn };
    const reset = () => accounts.resetAccount(this.#resetToken, body);
    try {
      const answer = await orSignIn({ accounts, email, made, mayBeSet: this.#mayBeSet }, reset);
      if (signIn) return sessionOf(answer, email);
      // Nobody needs the session that told.
      if (answer.sessionToken) await accounts.destroySession(answer.sessionToken).catch(() => {});
      return null;
    } catch (error) {
      this.#mayBeSet ||= error.passwordMayBeSet === true;
      throw error;
    }
  }

  async #showLink() {
    if (this.#resetToken !== null) return;
    const verified = await this.#accounts.verifyResetCode(this.#link.token, this.#link.code);
    this.#resetToken = verified.accountResetToken;
    this.#uid = verified.uid;
  }

  #open(typed) {
    const uid = this.#uid;
    return kBOf({ accounts: this.#accounts, seal: this.#seal, uid, resetToken: this.#resetToken, typed });
  }
}

function sessionOf(answer, email) {
  const { uid, sessionToken } = answer;
  const awaitsSecondFactor = answer.verificationMethod === "totp-2fa";
  return { uid, email, sessionToken, verified: answer.verified === true, awaitsSecondFactor };
}
