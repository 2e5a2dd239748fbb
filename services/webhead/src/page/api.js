// The calls the page makes to the accounts server, signed with Hawk where the contract asks for it. Called by the screens
// and by what stands behind them. Passwords and keys never come here: only what the cryptography has derived for the server.

import { randomHex } from "./crypto.js";

const CALL_WAIT_MS = 30_000;
/** A busy server is asked again this often, and not for longer than this in one go. */
const BUSY_TRIES_MAX = 5;
const BUSY_WAIT_SECS_MAX = 20;

/** A call the server refused. `status` 0 means that no answer came at all. */
export class ApiError extends Error {
  name = "ApiError";

  constructor(status, body, retryAfterHeader) {
    super(body.message ?? body.error ?? "");
    this.status = status;
    this.errno = body.errno;
    this.extras = body;
    this.retryAfter = Number(retryAfterHeader ?? body.retryAfter ?? 0);
    /** Whether this or an earlier try of the call may have done its work: nobody has said that it has not. */
    this.mayBeDone = this.status === 0 || this.isBusy;
    /** Whether the call was to set a password, and nobody knows whether it did. */
    this.passwordMayBeSet = false;
  }

  /** Whether asking again in a while may help: the server says so, or a proxy that has no server to ask just now. */
  get isBusy() {
    return this.errno === 201 || (this.errno === undefined && [502, 503, 504].includes(this.status));
  }
}

/** The accounts server at one origin. */
export class Accounts {
  #origin;
  #seal;
  #onBusy;
  #fetch;
  #pause;
  #now;
  /** Milliseconds the server's clock is ahead of ours, learnt from its answers: Hawk refuses stale times. */
  #clockAheadMs = 0;

  /**
   * `seal(op, values)` is the cryptography, `onBusy(seconds)` is told before each automatic repetition. The last
   * three are replaced in tests.
   */
  constructor({ origin, seal, onBusy, fetch = globalThis.fetch.bind(globalThis), pause = wait, now = Date.now }) {
    this.#origin = origin;
    this.#seal = seal;
    this.#onBusy = onBusy;
    this.#fetch = fetch;
    this.#pause = pause;
    this.#now = now;
  }

  accountExists(email) {
    return this.#post("/account/status", { email }).then((answer) => answer.exists === true);
  }

  credentialsStatus(email) {
    return this.#post("/account/credentials/status", { email });
  }

  create(body, { keys }) {
    return this.#post(`/account/create${keys ? "?keys=true" : ""}`, body);
  }

  login(body, { keys }) {
    return this.#post(`/account/login${keys ? "?keys=true" : ""}`, body);
  }

  /** Whether an account has gone; only the server's word counts for it. */
  async isGone(uid) {
    const { exists } = await this.#get(`/account/status?uid=${encodeURIComponent(uid)}`);
    return exists === false;
  }

  destroyAccount(sessionToken, body) {
    return this.#post("/account/destroy", body, { kind: "sessionToken", token: sessionToken });
  }

  sessionStatus(sessionToken) {
    return this.#get("/session/status", { kind: "sessionToken", token: sessionToken });
  }

  destroySession(sessionToken) {
    return this.#post("/session/destroy", {}, { kind: "sessionToken", token: sessionToken });
  }

  /** What is confirmed in a session: resolves to {emailVerified, sessionVerified}. */
  emailStatus(sessionToken) {
    return this.#get("/recovery_email/status", { kind: "sessionToken", token: sessionToken });
  }

  /** How the account can authenticate, among others: resolves to {authenticatorAssuranceLevel, …}. */
  accountProfile(sessionToken) {
    return this.#get("/account/profile", { kind: "sessionToken", token: sessionToken });
  }

  verifyCode(sessionToken, code) {
    return this.#post("/session/verify_code", { code }, { kind: "sessionToken", token: sessionToken });
  }

  /** Whether there is a second factor: resolves to {exists, verified}. */
  totpExists(sessionToken) {
    return this.#get("/totp/exists", { kind: "sessionToken", token: sessionToken });
  }

  /** A new secret for an authenticator: resolves to {secret, qrCodeUrl}. */
  createTotp(sessionToken) {
    return this.#post("/totp/create", {}, { kind: "sessionToken", token: sessionToken });
  }

  destroyTotp(sessionToken) {
    return this.#post("/totp/destroy", {}, { kind: "sessionToken", token: sessionToken });
  }

  /** A code of the authenticator: resolves to {success}. */
  verifyTotp(sessionToken, code) {
    return this.#post("/session/verify/totp", { code }, { kind: "sessionToken", token: sessionToken });
  }

  /** A backup code in its place: resolves to {remaining}, and is refused with 156 if it is none. */
  verifyBackupCode(sessionToken, code) {
    return this.#post("/session/verify/recoveryCode", { code }, { kind: "sessionToken", token: sessionToken });
  }

  /** Whether the account of a session has a recovery key that is good. */
  async recoveryKeyExists(sessionToken) {
    const { exists } = await this.#post("/recoveryKey/exists", {}, { kind: "sessionToken", token: sessionToken });
    return exists === true;
  }

  createRecoveryKey(sessionToken, body) {
    return this.#post("/recoveryKey", body, { kind: "sessionToken", token: sessionToken });
  }

  deleteRecoveryKey(sessionToken) {
    return this.#call("DELETE", "/recoveryKey", undefined, { kind: "sessionToken", token: sessionToken });
  }

  /** What a recovery key opens: resolves to {recoveryData}. */
  recoveryData(accountResetToken, recoveryKeyId) {
    return this.#get(`/recoveryKey/${recoveryKeyId}`, { kind: "accountResetToken", token: accountResetToken });
  }

  /** New backup codes in place of all others: resolves to {recoveryCodes}. */
  renewBackupCodes(sessionToken) {
    return this.#get("/recoveryCodes", { kind: "sessionToken", token: sessionToken });
  }

  resendCode(sessionToken, service) {
    const body = service ? { service } : {};
    return this.#post("/session/resend_code", body, { kind: "sessionToken", token: sessionToken });
  }

  /** Mails a link with which a new password can be set. */
  sendResetCode(email, service) {
    return this.#post("/password/forgot/send_code", { email, ...(service ? { service } : {}) });
  }

  /** Shows that the mail was read: resolves to {accountResetToken, uid}. */
  verifyResetCode(passwordForgotToken, code) {
    const credentials = { kind: "passwordForgotToken", token: passwordForgotToken };
    return this.#post("/password/forgot/verify_code", { code }, credentials);
  }

  resetAccount(accountResetToken, body) {
    return this.#post("/account/reset", body, { kind: "accountResetToken", token: accountResetToken });
  }

  startPasswordChange(sessionToken, body) {
    return this.#post("/password/change/start", body, { kind: "sessionToken", token: sessionToken });
  }

  finishPasswordChange(passwordChangeToken, body) {
    const credentials = { kind: "passwordChangeToken", token: passwordChangeToken };
    return this.#post("/password/change/finish", body, credentials);
  }

  /** The call behind the link in the mail. */
  verifyLink(uid, code) {
    return this.#post("/recovery_email/verify_code", { uid, code });
  }

  /** Fetches and opens the key bundle; the server forgets the token by answering. */
  async accountKeys(keyFetchToken) {
    const credentials = { kind: "keyFetchToken", token: keyFetchToken };
    const { bundle } = await this.#get("/account/keys", credentials);
    const { bundle_key } = await this.#seal("token", credentials);
    return this.#seal("open_bundle", { bundle, bundle_key });
  }

  scopedKeyData(sessionToken, client_id, scope) {
    const credentials = { kind: "sessionToken", token: sessionToken };
    return this.#post("/account/scoped-key-data", { client_id, scope }, credentials);
  }

  authorize(sessionToken, body) {
    return this.#post("/oauth/authorization", body, { kind: "sessionToken", token: sessionToken });
  }

  /** What a program calls itself: {name, image_uri, trusted}. */
  oauthClient(id) {
    return this.#get(`/oauth/client/${encodeURIComponent(id)}`);
  }

  /** The password once more in a session. */
  reauthenticate(sessionToken, body, { keys = false } = {}) {
    return this.#post(`/session/reauth${keys ? "?keys=true" : ""}`, body, { kind: "sessionToken", token: sessionToken });
  }

  /** The server's time in milliseconds, as far as it has told it. */
  serverNow() {
    return Math.floor(this.#now() + this.#clockAheadMs);
  }

  attachedClients(sessionToken) {
    return this.#get("/account/attached_clients", { kind: "sessionToken", token: sessionToken });
  }

  /** Signs one of them out; `ids` are those it is listed with. */
  detachClient(sessionToken, ids) {
    return this.#post("/account/attached_client/destroy", ids, { kind: "sessionToken", token: sessionToken });
  }

  #get(path, credentials) {
    return this.#call("GET", path, undefined, credentials);
  }

  #post(path, body, credentials) {
    return this.#call("POST", path, JSON.stringify(body), credentials);
  }

  /**
   * One call with its repetitions: while the server is busy, once after it has told its clock, and once after a lost
   * connection. Every call may be repeated: at worst the first try has spent a token of it, and `mayBeDone` of the
   * error says that.
   */
  async #call(method, path, body, credentials) {
    for (const tries = { busy: 0, clock: 0, connection: 0, mayBeDone: false }; ; ) {
      try {
        return await this.#callOnce(method, path, body, credentials);
      } catch (error) {
        tries.mayBeDone ||= error.mayBeDone === true;
        error.mayBeDone = tries.mayBeDone;
        await this.#beforeRepetition(error, tries);
      }
    }
  }

  /** Returns when the call may be repeated, throws the error when it may not. */
  async #beforeRepetition(error, tries) {
    if (error.errno === 111 && tries.clock++ === 0) return;
    if (error.extras?.connectionLost && tries.connection++ === 0) return;
    if (!error.isBusy || tries.busy++ === BUSY_TRIES_MAX) throw error;
    const seconds = Math.min(Math.max(error.retryAfter || 1, 1), BUSY_WAIT_SECS_MAX);
    this.#onBusy(seconds);
    await this.#pause(seconds * 1000);
  }

  async #callOnce(method, path, body, credentials) {
    const url = `${this.#origin}/v1${path}`;
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (credentials) headers.Authorization = await this.#signature(method, url, body, credentials);
    const signal = AbortSignal.timeout(CALL_WAIT_MS);
    const { answer, text } = await this.#exchange(url, {
      method, headers, body, signal, credentials: "omit", cache: "no-store",
    });
    const secs = Number(answer.headers.get("Timestamp"));
    if (secs > 0) this.#clockAheadMs = secs * 1000 - this.#now();
    const opened = parseJson(text);
    if (answer.ok && opened !== null) return opened;
    throw new ApiError(answer.status, opened ?? {}, answer.headers.get("Retry-After"));
  }

  async #exchange(url, options) {
    try {
      const answer = await this.#fetch(url, options);
      return { answer, text: await answer.text() };
    } catch (error) {
      throw new ApiError(0, { message: error.message, connectionLost: error.name !== "TimeoutError" });
    }
  }

  async #signature(method, url, body, credentials) {
    const { id, key } = await this.#seal("token", credentials);
    const ts = Math.floor((this.#now() + this.#clockAheadMs) / 1000);
    const payload = body === undefined ? {} : { content_type: "application/json", body };
    const { header } = await this.#seal("hawk", { id, key, method, url, ts, nonce: randomHex(8), ...payload });
    return header;
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
