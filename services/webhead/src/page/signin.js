// The order of a sign-in, without a word about screens (accounts contract (g), "Order that works"). Called by page.js.
// Password, unwrapBKey and kB live here only between two steps, never in storage and never in a request.

import { inStoredSpelling, newCredentials, stretch } from "./credentials.js";
import { randomHex, xorHex } from "./crypto.js";
import { SYNC_FLOW_SCOPES, SYNC_SCOPE, codeDigits, oauthFlow } from "./context.js";

/** Engines Firefox keeps off until somebody asks for them by name. */
const OPTIONAL_ENGINES = ["addresses", "creditcards"];

/** One attempt to sign in or sign up. `channel` is null on a plain web sign-in, then no keys are fetched. */
export class SignIn {
  #accounts;
  #seal;
  #channel;
  #flow;
  #service;
  /** What opens the keys: {keyFetchToken, unwrapBKey}. Dropped as soon as it was used. */
  #keyAccess = null;
  #engines;

  /** @type {"signin"|"signup"} what Firefox is told this was. */
  action = "signin";
  /** {uid, email, sessionToken, verified} once the server knows us. */
  session = null;
  /** Whether the session waits for a second factor, and not for a mailed code. */
  awaitsSecondFactor = false;
  /** Whether the sign-in itself has sent the code that it waits for. */
  isCodeSent = false;

  constructor({ accounts, seal, channel, flow, service, engines }) {
    this.#accounts = accounts;
    this.#seal = seal;
    this.#channel = channel;
    this.#flow = flow;
    this.#service = service;
    this.#engines = { offeredEngines: engines.filter(isUsual), declinedEngines: [] };
  }

  /** Makes the account. `invite` is the code of an invitation, or empty. */
  async create(email, password, invite = "") {
    this.action = "signup";
    const keys = this.#channel !== null;
    const k_b = randomHex(32);
    const made = await newCredentials(this.#seal, email, password, k_b);
    const body = { email, ...made, ...this.#serviceMember(), ...(invite ? { invite } : {}) };
    const answer = await this.#accounts.create(body, { keys });
    this.#keepKeyAccess(answer.keyFetchTokenVersion2, xorHex(k_b, made.wrapKbVersion2));
    this.session = { uid: answer.uid, email, sessionToken: answer.sessionToken, verified: false };
    // A server that sends no mail verifies at once.
    await this.refresh();
  }

  /** Signs in with whichever version the account has. */
  async login(email, password) {
    this.action = "signin";
    await inStoredSpelling(email, (spelled) => this.#loginAs(spelled, password));
  }

  async #loginAs(email, password) {
    const keys = this.#channel !== null;
    const { auth_pw, unwrap_b_key } = await stretch(this.#accounts, this.#seal, email, password);
    // If it is to be confirmed by mail, then by digits: they are typed here.
    const wished = { reason: "login", verificationMethod: "email-2fa" };
    const body = { email, authPW: auth_pw, ...wished, ...this.#serviceMember() };
    const answer = await this.#accounts.login(body, { keys });
    this.#keepKeyAccess(answer.keyFetchTokenVersion2 ?? answer.keyFetchToken, unwrap_b_key);
    this.session = { uid: answer.uid, email, sessionToken: answer.sessionToken, verified: answer.verified === true };
    this.awaitsSecondFactor = answer.verificationMethod === "totp-2fa";
    this.isCodeSent = answer.verificationReason === "login";
  }

  /** Goes on with a session of before in which something is still to be confirmed. */
  async resume(session) {
    this.session = { ...session, verified: false };
    const { emailVerified, sessionVerified } = await this.#accounts.emailStatus(session.sessionToken);
    const isOneToConfirm = emailVerified === true && sessionVerified !== true;
    // By the second factor where there is one, and else by mail.
    this.awaitsSecondFactor = isOneToConfirm && (await this.#hasSecondFactor(session));
  }

  /** Told in a session, too, that is not confirmed. */
  async #hasSecondFactor(session) {
    const { authenticatorAssuranceLevel } = await this.#accounts.accountProfile(session.sessionToken);
    return authenticatorAssuranceLevel === 2;
  }

  /** Asks whether the address has been confirmed meanwhile, for instance through the link in another tab. */
  async refresh() {
    const { state } = await this.#accounts.sessionStatus(this.session.sessionToken);
    this.session.verified = state === "verified";
    return this.session.verified;
  }

  async verify(code) {
    await this.#accounts.verifyCode(this.session.sessionToken, code);
    this.session.verified = true;
  }

  /** Gives a code of the authenticator, or a backup code: whether it was right. */
  async giveSecondFactor(typed) {
    const { sessionToken } = this.session;
    const digits = codeDigits(typed);
    const right = digits
      ? (await this.#accounts.verifyTotp(sessionToken, digits)).success === true
      : await this.#giveBackupCode(sessionToken, typed.trim());
    if (right) this.session.verified = true;
    return right;
  }

  async #giveBackupCode(sessionToken, code) {
    try {
      await this.#accounts.verifyBackupCode(sessionToken, code);
      return true;
    } catch (error) {
      if (error.errno === 156 || error.errno === 107) return false;
      throw error;
    }
  }

  resend() {
    return this.#accounts.resendCode(this.session.sessionToken, this.#service);
  }

  /** What the person chose on the sign-up screen; `declined` names engines that stay off. */
  chooseEngines(offered, declined) {
    this.#engines = { offeredEngines: offered, declinedEngines: declined };
  }

  /**
   * Joins this Firefox with the account: false if its owner declined the merge. `onStep(sentence)` reports progress.
   * The key fetch token works once, so after a failure the person signs in anew.
   */
  async connect(onStep) {
    const { email, uid } = this.session;
    try {
      if (!(await this.#channel.canLink(email, uid))) {
        await this.abandon();
        return false;
      }
      onStep("Fetching your keys…");
      const authorized = await this.#authorize(await this.#activeFlow());
      onStep("Connecting Firefox…");
      // From here on the session may be Firefox's, even if its answer never comes.
      this.session.handedOver = true;
      await this.#channel.login(this.session, this.#engines);
      onStep("Almost done…");
      await this.#channel.oauthLogin(this.action, authorized);
      return true;
    } finally {
      this.#keyAccess = null;
    }
  }

  /** Ends a session nobody will use; a session Firefox already holds is left alone. */
  async abandon() {
    const session = this.session;
    this.session = null;
    this.#keyAccess = null;
    if (session && !session.handedOver) await this.#accounts.destroySession(session.sessionToken).catch(() => {});
  }

  /** Firefox's own flow if it still remembers it, else a new one: it keeps verifier and key in memory only. */
  async #activeFlow() {
    if (this.#flow && (await this.#channel.isFlowActive())) return this.#flow;
    const begun = oauthFlow(new Map(Object.entries(await this.#channel.beginFlow(SYNC_FLOW_SCOPES))));
    if (!begun) throw new Error("Firefox began a sign-in this page does not understand");
    return begun;
  }

  async #authorize(flow) {
    const { sessionToken } = this.session;
    const keysJwe = await this.#keysFor(flow);
    const answer = await this.#accounts.authorize(sessionToken, {
      client_id: flow.client_id,
      state: flow.state,
      scope: flow.scope,
      response_type: "code",
      access_type: flow.access_type,
      code_challenge: flow.code_challenge,
      code_challenge_method: "S256",
      keys_jwe: keysJwe,
    });
    return { code: answer.code, state: answer.state, redirect: answer.redirect };
  }

  /** The keys of the asked scopes, sealed for the one Firefox that began this flow. */
  async #keysFor(flow) {
    const { keyFetchToken, unwrapBKey } = this.#keyAccess;
    const { wrap_kb } = await this.#accounts.accountKeys(keyFetchToken);
    const keys = await this.#accounts.scopedKeyData(this.session.sessionToken, flow.client_id, flow.scope);
    if (flow.scope.split(" ").includes(SYNC_SCOPE) && !keys[SYNC_SCOPE]) {
      throw new Error("the server named no key for Sync");
    }
    const sealed = await this.#seal("scoped_keys", {
      wrap_kb,
      unwrap_b_key: unwrapBKey,
      uid: this.session.uid,
      keys,
      keys_jwk: flow.keys_jwk,
      ephemeral: randomHex(32),
      iv: randomHex(12),
    });
    return sealed.keys_jwe;
  }

  #keepKeyAccess(keyFetchToken, unwrapBKey) {
    this.#keyAccess = keyFetchToken && this.#channel ? { keyFetchToken, unwrapBKey } : null;
  }

  #serviceMember() {
    return this.#service ? { service: this.#service } : {};
  }
}

/** Whether an engine is offered without being asked for: the optional ones hold what not everybody wants to send. */
export function isUsual(engine) {
  return !OPTIONAL_ENGINES.includes(engine);
}
