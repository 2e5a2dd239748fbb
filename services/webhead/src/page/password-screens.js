// A password that is changed, and one that is set by the link of a mail. Called by page.js and signin-screens.js.

import { emailProblem, passwordProblem } from "./context.js";
import { resetLinkSentence, sentenceFor } from "./messages.js";
import { PasswordReset, changePassword } from "./password.js";
import { openRecoveryKey } from "./recovery-key-screens.js";
import { blame, byId, notice, onSubmit, say, show, wirePasswordToggle } from "./screens.js";
import { openSettings } from "./settings-screens.js";
import { askEmail, askSecondFactorIn, confirmSession } from "./signin-screens.js";
import { accounts, address, channel, currentSession, keepSession, now, seal } from "./state.js";

/** The link is asked for; it is opened in whichever browser the mail is read in. */
export function askForgotten(email = "") {
  now.attempt = null;
  show("forgot", { fill: { email } });
  onSubmit(async () => {
    const typed = byId("email").value.trim();
    const problem = emailProblem(typed);
    if (problem) return blame("email", problem);
    say("Sending the link…");
    try {
      await accounts.sendResetCode(typed, address.service);
    } catch (error) {
      return blame("email", sentenceFor(error));
    }
    notice("Look at your mail", `We have sent a link to ${typed}. It is good for an hour.`, "/");
  });
}

export function openResetLink() {
  const { email, link } = address;
  // Nobody who looks over a shoulder, and no list of visited pages, needs the link any more.
  history.replaceState(null, "", location.pathname);
  if (!email || !link.token || !link.code) {
    return notice("This link is incomplete", "Please open the link of the mail once more, or copy all of it.", "/");
  }
  const reset = new PasswordReset({ accounts, seal, link: { email, token: link.token, code: link.code } });
  show("reset", { fill: { "account-email": email, email } });
  wirePasswordToggle();
  onSubmit(async () => {
    const password = byId("password").value;
    const problem = passwordProblem(password);
    if (problem) return blame("password", problem);
    const recoveryKey = byId("recovery-key").value.trim();
    say("Setting the new password…");
    let session;
    try {
      session = await reset.set(password, { signIn: now.firefox === null, recoveryKey });
    } catch (error) {
      return blameReset(error);
    }
    await afterReset(session, recoveryKey !== "");
  });
}

function blameReset(error) {
  const spent = resetLinkSentence(error);
  if (spent) return notice("This link does not work", spent, "/reset_password");
  blame(error.name === "UnfitKeyError" ? "recovery-key" : "password", sentenceFor(error));
}

/** A Firefox has to begin its sign-in itself; any other browser is signed in to this page. */
async function afterReset(session, wasKeySpent) {
  if (!session) {
    const text = "Now sign in with it from Firefox’s menu, in this and every other one.";
    return notice("Your password is set", wasKeySpent ? `${text} ${SPENT}` : text, "/");
  }
  if (session.awaitsSecondFactor) return askSecondFactorIn(session, () => afterSignIn(session, wasKeySpent));
  if (!session.verified) return confirmSession(session);
  await afterSignIn(session, wasKeySpent);
}

async function afterSignIn(session, wasKeySpent) {
  keepSession(session);
  if (wasKeySpent) await openRecoveryKey(session, `Your password is set. ${SPENT}`);
  else await openSettings();
}

const SPENT = "Your recovery key has been used up. Please make another one in your account’s settings.";

export async function openChangePassword() {
  const session = currentSession();
  if (!session) {
    askEmail(address.email);
    return say("Please sign in to change your password.");
  }
  show("password", { fill: { "account-email": session.email, email: session.email } });
  wirePasswordToggle();
  onSubmit(async () => {
    const oldPassword = byId("old-password").value;
    const newPassword = byId("password").value;
    if (oldPassword === "") return blame("old-password", "Please enter your present password.");
    const problem = passwordProblem(newPassword);
    if (problem) return blame("password", problem);
    let renewed;
    try {
      renewed = await changePassword({ accounts, seal, session, oldPassword, newPassword, onStep: (step) => say(step) });
    } catch (error) {
      return blame(error.errno === 103 ? "old-password" : "password", sentenceFor(error));
    }
    await afterChange(session, renewed);
  });
}

/** The session of before has ended: whoever held it gets the new one. */
async function afterChange(session, renewed) {
  const text = "Your other browsers have to sign in again. What is stored stays.";
  if (!session.ofFirefox) {
    if (!renewed.verified && !renewed.awaitsSecondFactor) return confirmSession(renewed);
    keepSession(renewed);
    return notice("Your password is changed", text, "/settings");
  }
  try {
    await channel.changePassword(renewed);
    notice("Your password is changed", text, "/settings");
  } catch (error) {
    notice("Your password is changed", `${sentenceFor(error)} Sign in to this Firefox again.`, "/");
  }
}
