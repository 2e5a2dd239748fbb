// Turning a second factor on and off, without a word about screens. Called by page.js. The secret and the backup codes are
// shown once and kept nowhere.

import { codeDigits } from "./context.js";

/** Setting one up in a session: `begin`, then `confirm` with what the authenticator shows. */
export class SecondFactorSetUp {
  #accounts;
  #sessionToken;

  constructor({ accounts, session }) {
    this.#accounts = accounts;
    this.#sessionToken = session.sessionToken;
  }

  /** Whether sign-ins ask for one already. */
  async isOn() {
    const { verified } = await this.#accounts.totpExists(this.#sessionToken);
    return verified === true;
  }

  /** A new secret: {picture, secret}; the secret in groups of four, to be typed. */
  async begin() {
    const { qrCodeUrl, secret } = await this.#accounts.createTotp(this.#sessionToken);
    // Nothing but a picture made by our own server is shown as one.
    const picture = qrCodeUrl.startsWith("data:image/svg+xml;base64,") ? qrCodeUrl : "";
    return { picture, secret: secret.replace(/(.{4})(?=.)/g, "$1 ") };
  }

  /** The backup codes in two groups of five, or null if the code was wrong. */
  async confirm(typed) {
    const digits = codeDigits(typed);
    if (!digits) return null;
    const { success, recoveryCodes } = await this.#accounts.verifyTotp(this.#sessionToken, digits);
    if (success !== true) return null;
    // An earlier try may have turned it on, and its answer with the codes was lost.
    return recoveryCodes ? inGroups(recoveryCodes) : this.renewCodes();
  }

  /** New backup codes, in two groups of five; those of before are void. */
  async renewCodes() {
    const { recoveryCodes } = await this.#accounts.renewBackupCodes(this.#sessionToken);
    return inGroups(recoveryCodes);
  }

  /** No second factor any more. */
  end() {
    return this.#accounts.destroyTotp(this.#sessionToken);
  }
}

function inGroups(codes) {
  return codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`);
}
