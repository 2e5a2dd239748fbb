// Talks with the Firefox this page is shown in, over its WebChannel (accounts contract (g)). Called by signin.js and
// page.js. Anything but a listed command must never be sent: Firefox answers an unknown one with an error and drops
// pairings that are under way.

const CHANNEL_ID = "account_updates";

/** The answer to fxa_status comes within this time, or the page is not shown in a Firefox that trusts this origin. */
const STATUS_WAIT_MS = 2_000;
/** A person may have to answer Firefox's merge warning first. */
const QUESTION_WAIT_MS = 10 * 60_000;
/** Firefox registers its device and push before it answers a login; 10 s are usual where push is out of reach. */
const LOGIN_WAIT_MS = 45_000;

/** Firefox refused a command or did not answer in time; `message` is a sentence for the person. */
export class ChannelError extends Error {
  name = "ChannelError";
}

/** One page's line to its Firefox. `target` is the window; tests pass their own event target. */
export class FirefoxChannel {
  #target;
  #waiting = new Map();
  #lastId = 0;

  constructor(target = window) {
    this.#target = target;
    target.addEventListener("WebChannelMessageToContent", (event) => this.#receive(event.detail));
  }

  /** Who is signed in to this Firefox and what it can do, or null where no Firefox answers. */
  async status(service) {
    try {
      const data = { service, context: "oauth_webchannel_v1", isPairing: false };
      return await this.#send("fxaccounts:fxa_status", data, STATUS_WAIT_MS);
    } catch {
      return null;
    }
  }

  /**
   * Asks whether this account may be joined with what is in the profile. `uid` must be given: without it Firefox
   * warns about every profile that was signed in before, even to the same account.
   */
  async canLink(email, uid) {
    const answer = await this.#send("fxaccounts:can_link_account", { email, uid }, QUESTION_WAIT_MS);
    return answer.ok === true;
  }

  /**
   * Hands the session over. Exactly these members: on a repeated sign-in of the same account Firefox refuses any
   * other, and without `services.sync` it would stay signed in with Sync off.
   */
  login({ email, uid, sessionToken, verified }, engines) {
    const data = { email, uid, sessionToken, verified, services: { sync: engines } };
    return this.#send("fxaccounts:login", data, LOGIN_WAIT_MS);
  }

  /** Hands over the OAuth code, after `login`. Firefox fetches its keys with it. */
  oauthLogin(action, { code, state, redirect }) {
    return this.#send("fxaccounts:oauth_login", { action, code, state, redirect }, LOGIN_WAIT_MS);
  }

  /** Whether Firefox still remembers a flow it has begun: a restart of the browser voids them. */
  async isFlowActive() {
    return (await this.#send("fxaccounts:oauth_flow_is_active", {}, STATUS_WAIT_MS)).isActive === true;
  }

  /** Has Firefox begin a new flow and resolves to its parameters. */
  beginFlow(scopes) {
    return this.#send("fxaccounts:oauth_flow_begin", { scopes }, LOGIN_WAIT_MS);
  }

  /** Hands over the session that takes the place of the one a new password has ended. */
  changePassword({ uid, email, sessionToken, verified }) {
    return this.#send("fxaccounts:change_password", { uid, email, sessionToken, verified }, LOGIN_WAIT_MS);
  }

  /**
   * Tells Firefox that its session has been ended here. Not waited for: with its sign-out Firefox forgets this
   * origin, and the answer with it.
   */
  logout(uid) {
    this.#post("fxaccounts:logout", { uid });
  }

  /** Tells Firefox that an account has gone. It forgets it if that is its own; not waited for, as a sign-out is not. */
  delete(uid) {
    this.#post("fxaccounts:delete", { uid });
  }

  #send(command, data, waitMs) {
    return new Promise((resolve, reject) => {
      const messageId = this.#nextId(command);
      const timer = setTimeout(() => {
        this.#waiting.delete(messageId);
        reject(new ChannelError(`Firefox did not answer within ${waitMs / 1000} seconds. Please try again.`));
      }, waitMs);
      this.#waiting.set(messageId, { resolve, reject, timer });
      this.#post(command, data, messageId);
    });
  }

  #nextId(command) {
    this.#lastId += 1;
    return `${command}-${this.#lastId}`;
  }

  #post(command, data, messageId = this.#nextId(command)) {
    // Firefox takes the detail only as a JSON string.
    const detail = JSON.stringify({ id: CHANNEL_ID, message: { command, data, messageId } });
    this.#target.dispatchEvent(new CustomEvent("WebChannelMessageToChrome", { detail }));
  }

  #receive(detail) {
    if (detail?.id !== CHANNEL_ID || !detail.message) return;
    const { messageId, data, errno, error } = detail.message;
    if (errno !== undefined) return this.#refuseAll(`Firefox does not take messages from this address (${error})`);
    const waiting = this.#waiting.get(messageId);
    if (!waiting) return;
    this.#waiting.delete(messageId);
    clearTimeout(waiting.timer);
    if (data?.error) waiting.reject(new ChannelError(`Firefox refused the sign-in: ${data.error.message ?? data.error}.`));
    else waiting.resolve(data ?? {});
  }

  /** "No such channel" names no message; it concerns everything that is waiting. */
  #refuseAll(reason) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new ChannelError(`${reason}.`));
    }
    this.#waiting.clear();
  }
}
