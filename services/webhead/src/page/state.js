// What the parts of the page share: where it is open, whom it talks to, who is signed in. Made once, by page.js and the
// screens that import it.
//
// Kept in this origin's localStorage after a plain web sign-in: uid, email, session token. Never a password or key.

import { Accounts } from "./api.js";
import { FirefoxChannel } from "./channel.js";
import { readAddress, withoutInvite } from "./context.js";
import { startCrypto } from "./crypto.js";
import { waitInWords } from "./messages.js";
import { say } from "./screens.js";

const SESSION_PLACE = "foxhold.session";

export const origin = location.origin;
export const address = readAddress(new URL(location.href));
if (address.invite) history.replaceState(null, "", withoutInvite(new URL(location.href)));
export const channel = new FirefoxChannel();
export const seal = startCrypto();
export const accounts = new Accounts({
  origin,
  seal,
  onBusy: (seconds) => say(`The server is busy. Trying again in ${waitInWords(seconds)}…`),
});

/** What changes while the page is open. */
export const now = {
  /** What fxa_status answered, or null outside a Firefox that trusts this origin. */
  firefox: null,
  /** The attempt to sign in that is under way. */
  attempt: null,
  /** What another program has sent this browser for, with its client and when it came; or null. */
  errand: null,
};

export function keepSession({ uid, email, sessionToken }) {
  localStorage.setItem(SESSION_PLACE, JSON.stringify({ uid, email, sessionToken }));
}

export function storedSession() {
  try {
    return JSON.parse(localStorage.getItem(SESSION_PLACE));
  } catch {
    return null;
  }
}

/** The session of this Firefox if it has one, else that of this page. */
export function currentSession() {
  const user = now.firefox?.signedInUser;
  return user?.sessionToken ? { ...user, ofFirefox: true } : storedSession();
}

/** Forgets a session, if it is the one that this page keeps: another tab may have signed in anew. */
export function forgetSession({ sessionToken }) {
  if (storedSession()?.sessionToken === sessionToken) localStorage.removeItem(SESSION_PLACE);
}

/** Forgets the session that this page keeps, if it is one of that account. */
export function forgetAccount({ uid }) {
  if (storedSession()?.uid === uid) localStorage.removeItem(SESSION_PLACE);
}
