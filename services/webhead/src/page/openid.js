// The errand of another program: a browser that was sent to /authorization or /oauth/logout (accounts contract (k)). What
// it asks for, what the server is asked in its name, and where the browser goes next. Called by page.js.
// Pure: touches neither document nor network. The server decides; this only asks, and carries answers.

/** Members of the request that the server is told as they came. */
const TOLD = [
  "client_id", "redirect_uri", "scope", "state", "nonce", "response_type", "code_challenge", "code_challenge_method",
  "acr_values", "prompt",
];

/** What a refusal of the call is called by the standard, by the errno of the accounts contract. */
const STANDARD = {
  107: "invalid_request",
  108: "invalid_request",
  110: "login_required",
  138: "interaction_required",
  163: "invalid_scope",
  164: "login_required",
  168: "unsupported_response_type",
  169: "invalid_request",
  170: "unmet_authentication_requirements",
  1005: "consent_required",
  1006: "access_denied",
};

/** The same for whoever reads a program's log (RFC 6749 section 4.1.2.1): fixed words, nothing of the request. */
const DESCRIPTIONS = {
  access_denied: "the user, or this server, does not allow it",
  consent_required: "the user would have to be asked whether the program may know this",
  interaction_required: "the user would have to confirm the sign-in",
  invalid_request: "a parameter is missing or has a wrong form",
  invalid_scope: "a scope is missing, or is not one of the program's",
  login_required: "the user would have to sign in",
  server_error: "the server cannot answer",
  temporarily_unavailable: "the server cannot answer at the moment",
  unmet_authentication_requirements: "the user has not signed in with two factors",
  unsupported_response_type: "the only response_type is code",
};

/** Which screen helps with a refusal, unless nothing may be asked. */
const SCREENS = {
  110: "signin", 138: "confirm", 164: "again", 170: "second-factor", 1005: "consent", 1006: "denied",
};

const SCOPES = {
  openid: "who you are: a number that stays the same",
  email: "your e-mail address",
  profile: "your name here, your picture and your language",
  offline_access: "all of that later, too, while you are away",
};

/** What a program asks for, in words; a name that nobody explains is shown as it is. */
export function scopeInWords(scope) {
  return SCOPES[scope] ?? scope;
}

export class Errand {
  /** `query` is the URLSearchParams of the address, `issuer` the server's own root. */
  constructor(query, issuer) {
    this.#query = query;
    this.#issuer = issuer;
  }

  #query;
  #issuer;

  get clientId() {
    return this.#query.get("client_id") ?? "";
  }

  get email() {
    return this.#query.get("login_hint") ?? "";
  }

  /** The uid that the program expects, or null. The server has checked the token that says so. */
  get expectedUid() {
    const [, claims] = (this.#query.get("id_token_hint") ?? "").split(".");
    try {
      return claims ? (JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))).sub ?? null) : null;
    } catch {
      return null;
    }
  }

  /** Whether a session is one the program can mean. */
  fits({ uid, email }) {
    return (this.expectedUid === null || this.expectedUid === uid) && (this.email === "" || this.email === email);
  }

  /** Whether the person must not be asked anything. */
  get isSilent() {
    return this.#prompts("none");
  }

  get choosesAccount() {
    return this.#prompts("select_account");
  }

  /** Host of the place the answer goes to, for the person to see. */
  get host() {
    const uri = this.#query.get("redirect_uri") ?? "";
    return URL.canParse(uri) ? new URL(uri).host || new URL(uri).protocol : uri;
  }

  /** The call that asks for the code. */
  body(requestedAt, consent) {
    const body = { consent, requested_at: requestedAt };
    for (const name of TOLD) {
      const value = this.#query.get(name);
      if (value) body[name] = value;
    }
    const age = this.#query.get("max_age");
    if (age) body.max_age = Number(age);
    return body;
  }

  /** What comes after a refusal: {screen}, {error} to be sent back, or {} for a sentence on the screen that is open. */
  after(refusal) {
    const isUnanswered = refusal.status === 0 || refusal.isBusy;
    if (!this.isSilent && SCREENS[refusal.errno]) return { screen: SCREENS[refusal.errno] };
    if (this.isSilent && isUnanswered) return { error: "temporarily_unavailable" };
    // Nobody knows where to send those.
    if (refusal.errno === 162 || refusal.errno === 167 || isUnanswered) return {};
    return { error: STANDARD[refusal.errno] ?? "server_error" };
  }

  /** Where the browser goes with a code: {address}, or {address, fields} for a form. */
  answered({ code, redirect }) {
    if (this.#query.get("response_mode") !== "form_post") return { address: redirect };
    return this.#form({ code });
  }

  /** The same with an error. */
  failed(error) {
    const members = { error, error_description: DESCRIPTIONS[error] };
    if (this.#query.get("response_mode") === "form_post") return this.#form(members);
    const uri = this.#query.get("redirect_uri");
    return { address: withQuery(uri, this.#members(members)) };
  }

  #form(members) {
    return { address: this.#query.get("redirect_uri"), fields: this.#members(members) };
  }

  #members(members) {
    const state = this.#query.get("state");
    return { ...members, ...(state ? { state } : {}), iss: this.#issuer };
  }

  #prompts(word) {
    return (this.#query.get("prompt") ?? "").split(" ").includes(word);
  }
}

/** Where the browser goes once its user has signed out, or null. The server has looked at the address. */
export function afterSignOut(query) {
  const uri = query.get("post_logout_redirect_uri");
  const state = query.get("state");
  return uri && (state ? withQuery(uri, { state }) : uri);
}

function withQuery(uri, members) {
  return `${uri}${uri.includes("?") ? "&" : "?"}${new URLSearchParams(members)}`;
}
