// What the address says: which screen a visit wants and which OAuth flow Firefox has started. Called by page.js.
// Pure: takes a URL, touches neither document nor network, so that the rules are tested without a browser.

/** The scope whose key Firefox uses for Sync. */
export const SYNC_SCOPE = "https://identity.mozilla.com/apps/oldsync";

/** What Firefox desktop asks for when it starts a sign-in by itself (accounts contract (g), sign-in URL). */
export const SYNC_FLOW_SCOPES = [SYNC_SCOPE, "profile"];

const FLOW_MEMBERS = {
  client_id: /^[0-9a-f]{16}$/,
  state: /^[\x20-\x7e]{1,512}$/,
  scope: /^[A-Za-z0-9 _/.:-]{1,256}$/,
  code_challenge: /^[A-Za-z0-9_-]{43}$/,
  keys_jwk: /^[A-Za-z0-9_-]{1,1024}$/,
};

/**
 * Reads a page address.
 *
 * `view` is one of: start, signin, settings, password, delete, forgot, reset, verify, pair, connect,
 * authorization, logout. `flow` holds the OAuth members Firefox put in the
 * address, or null when there are none or one is malformed. Unknown paths land on start.
 */
export function readAddress(url) {
  const query = url.searchParams;
  const flow = oauthFlow(query);
  return {
    view: viewOf(url.pathname, query, flow),
    fromFirefox: (query.get("context") ?? "").startsWith("oauth_webchannel"),
    flow,
    email: query.get("email") ?? "",
    service: query.get("service") ?? "",
    invite: query.get("invite") ?? "",
    link: { uid: query.get("uid") ?? "", token: query.get("token") ?? "", code: query.get("code") ?? "" },
  };
}

function viewOf(pathname, query, flow) {
  const path = pathname.replace(/\/+$/, "");
  if (path === "/authorization") return "authorization";
  if (path === "/oauth/logout") return "logout";
  if (path === "/settings/change_password") return "password";
  if (path === "/settings/delete_account") return "delete";
  if (path === "/reset_password") return "forgot";
  if (path === "/complete_reset_password") return "reset";
  if (path === "/settings" || path.startsWith("/settings/") || path.startsWith("/post_verify/")) return "settings";
  if (path === "/verify_email" || path === "/complete_signin") return "verify";
  if (path === "/pair" || path.startsWith("/pair/")) return "pair";
  if (path === "/connect_another_device") return "connect";
  if (path === "/signin" || path === "/signup" || flow || query.get("action") || query.get("email")) return "signin";
  if (query.get("invite")) return "signin";
  return "start";
}

/**
 * Takes the OAuth members out of a query or out of Firefox's answer to `fxaccounts:oauth_flow_begin`.
 *
 * `source` needs a `get(name)`. The server decides whether client, scope and challenge are allowed; here only the
 * shape is looked at, so that a broken address shows the start page instead of failing after the password.
 */
export function oauthFlow(source) {
  const flow = { access_type: source.get("access_type") === "offline" ? "offline" : "online" };
  for (const [name, shape] of Object.entries(FLOW_MEMBERS)) {
    const value = source.get(name) ?? "";
    if (!shape.test(value)) return null;
    flow[name] = value;
  }
  return flow;
}

/** The address without the invitation: whoever looks at the screen, or at the history, should not get it. */
export function withoutInvite(url) {
  url.searchParams.delete("invite");
  return url.pathname + url.search + url.hash;
}

/** What is wrong with a typed address, as a sentence, or null. The server's own rules are stricter and decide. */
export function emailProblem(email) {
  if (email === "") return "Please enter your e-mail address.";
  if (email.length > 255 || !/^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/u.test(email)) {
    return "This does not look like an e-mail address: it needs a name, an @ and a domain such as example.org.";
  }
  return null;
}

/** What is wrong with a new password, as a sentence, or null. */
export function passwordProblem(password) {
  if (password === "") return "Please enter a password.";
  if ([...password].length < 8) return "The password needs at least 8 characters.";
  return null;
}

/** The six digits in what was typed or pasted (blanks and dashes are fine), or null. */
export function codeDigits(typed) {
  const digits = typed.replace(/[\s-]/g, "");
  return /^[0-9]{6}$/.test(digits) ? digits : null;
}

/** How long ago `then` was, in words; both in milliseconds. */
export function agoInWords(then, now) {
  const minutes = Math.floor((now - then) / 60_000);
  if (minutes < 2) return "just now";
  if (minutes < 120) return `${minutes} minutes ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} hours ago`;
  return `${Math.floor(minutes / (24 * 60))} days ago`;
}
