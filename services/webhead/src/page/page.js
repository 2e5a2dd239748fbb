// The sign-in page: decides which screen is shown and what its buttons do. Loaded by index.html.
//
// Stable marks for tests: body[data-screen] is one of loading, start, email, signin, signup, code, second-factor, forgot,
// reset, connecting, done, settings, sign-out, revoke, password, delete, totp, totp-off, backup-codes, recovery-key,
// recovery-key-new, factor-wanted, consent, account, again, logout, notice. In the screens: #email, #password, #old-password,
// #code, #submit (the one main button), #status (the sentence for the person, data-kind note, good or error),
// #account-email, #other-address, #toggle-password, #invite, #forgot, #resend, #engines input[name=ENGINE], #pref-root,
// #pref-http, #clients li, #clients button, #client-name, #change-password, #delete-account, #second-factor, #totp-picture,
// #totp-secret, #backup-codes li, #new-backup-codes, #recovery-key, #delete-recovery-key, #new-recovery-key,
// #typed-recovery-key, #notice, #notice-link, #scopes li, #decline.

import { askForgotten, openChangePassword, openResetLink } from "./password-screens.js";
import { openDeletion } from "./deletion-screens.js";
import { openErrand, openLogout } from "./errand-screens.js";
import { sentenceFor } from "./messages.js";
import { byId, notice, onSubmit, say, show, wireCopyButtons } from "./screens.js";
import { openSettings } from "./settings-screens.js";
import { askEmail, openSignIn } from "./signin-screens.js";
import { accounts, address, channel, now, origin, storedSession } from "./state.js";

async function open() {
  byId("host").textContent = location.host;
  if (address.view === "verify") return openVerifyLink();
  if (address.view === "authorization") return openErrand();
  if (address.view === "logout") return openLogout();
  if (address.view === "pair") return notice("Pairing is not offered here", PAIR_TEXT, "/connect_another_device");
  now.firefox = await channel.status(address.service);
  switch (address.view) {
    case "settings":
      return openSettings();
    case "password":
      return openChangePassword();
    case "delete":
      return openDeletion();
    case "forgot":
      return askForgotten(address.email);
    case "reset":
      return openResetLink();
    case "connect":
      return openStart();
    case "start":
      return now.firefox?.signedInUser || storedSession() ? openSettings() : openStart();
    default:
      return openSignIn();
  }
}

const PAIR_TEXT =
  "This server has no channel for pairing with a phone by camera. Set the two preferences on the other device and " +
  "sign in there with your password instead.";

function openStart() {
  show("start", { fill: { "pref-root": origin } });
  byId("pref-http-row").hidden = location.protocol !== "http:";
  wireCopyButtons();
  onSubmit(() => askEmail());
}

async function openVerifyLink() {
  const { uid, code } = address.link;
  if (!uid || !code) return notice("This link is incomplete", "Please copy the whole link from the mail.", "/");
  try {
    await accounts.verifyLink(uid, code);
    const confirmed = location.pathname.startsWith("/complete_signin") ? "sign-in" : "address";
    notice(`Your ${confirmed} is confirmed`, "Go back to the tab where you began; it goes on by itself.", "/");
  } catch (error) {
    notice("This link does not work", linkSentence(error), "/");
  }
}

function linkSentence(error) {
  return error.errno === 105 ? "It has been replaced by a newer one, or has run out. Please look at the newest mail." : sentenceFor(error);
}

open().catch((error) => say(sentenceFor(error), "error"));
