// The account of whoever is signed in: what else is signed in to it, and its second factor. Called by page.js and the other
// screens.

import { readClient } from "./attached.js";
import { nextScreenFor, sentenceFor } from "./messages.js";
import { openRecoveryKey } from "./recovery-key-screens.js";
import { blame, byId, clientLine, lineButton, notice, onClick, onSubmit, say, show } from "./screens.js";
import { SecondFactorSetUp } from "./second-factor.js";
import { askEmail, askSecondFactorIn, confirmSession } from "./signin-screens.js";
import { accounts, address, channel, currentSession, forgetAccount, forgetSession, now } from "./state.js";

/** `done` is what the person has just done, as a sentence. */
export async function openSettings(done = "") {
  const session = currentSession();
  if (!session) {
    askEmail(address.email);
    return say("Please sign in to see your account.");
  }
  try {
    const clients = await accounts.attachedClients(session.sessionToken);
    showSettings(session, clients);
    if (done) say(done, "good");
  } catch (error) {
    if (error.errno === 138 && !session.ofFirefox) return confirmSession(session);
    askAnew(session, error);
  }
}

function askAnew(session, error) {
  if (error.errno === 110) forgetSession(session);
  askEmail(session.email);
  say(sentenceFor(error), "error");
}

/**
 * What helps where something asked for in a session was refused: signing in anew, or a second factor and then `again`. Any
 * other refusal is said where the person is, and of which field, if it is about one.
 */
export function afterRefusal(session, error, { again, field = "" }) {
  const next = nextScreenFor(error);
  if (next === "signin") return askAnew(session, error);
  if (next === "code") return askSecondFactorIn(session, again);
  return field ? blame(field, sentenceFor(error)) : say(sentenceFor(error), "error");
}

function showSettings(session, clients) {
  show("settings", { fill: { "account-email": session.email } });
  byId("clients").replaceChildren(...clients.map((client) => lineOf(session, client)));
  onClick("second-factor", () => openSecondFactor(session));
  onClick("recovery-key", () => openRecoveryKey(session));
  if (session.ofFirefox) byId("submit").textContent = "Sign out of this Firefox";
  onSubmit(async () => {
    try {
      await accounts.destroySession(session.sessionToken);
    } catch (error) {
      if (error.errno !== 110) return say(sentenceFor(error), "error");
    }
    if (session.ofFirefox) channel.logout(session.uid);
    forgetAccount(session);
    now.firefox = null;
    notice("You are signed out", "The session has ended on the server.", "/");
  });
}

/** Turns the second factor on or off; `next` is what comes after it was turned on. */
export async function openSecondFactor(session, next = openSettings) {
  const setUp = new SecondFactorSetUp({ accounts, session });
  try {
    if (await setUp.isOn()) return offerToEndSecondFactor(setUp, session);
    const begun = await setUp.begin();
    show("totp", { fill: { "account-email": session.email, "totp-secret": begun.secret } });
    byId("totp-picture").src = begun.picture;
  } catch (error) {
    return say(sentenceFor(error), "error");
  }
  onSubmit(async () => {
    try {
      const codes = await setUp.confirm(byId("code").value);
      if (!codes) return blame("code", "This code is not right. Please enter the 6 digits that are shown now.");
      showBackupCodes(codes, next);
    } catch (error) {
      blame("code", sentenceFor(error));
    }
  });
}

function showBackupCodes(codes, next) {
  show("backup-codes");
  const lines = codes.map((code) => {
    const line = document.createElement("li");
    line.textContent = code;
    return line;
  });
  byId("backup-codes").replaceChildren(...lines);
  onSubmit(() => next());
}

function offerToEndSecondFactor(setUp, session) {
  show("totp-off", { fill: { "account-email": session.email } });
  const attempt = async (step) => {
    try {
      await step();
    } catch (error) {
      const sentence = "This session was not opened with a code. Please sign out, sign in with one, and try again.";
      say(error.errno === 138 ? sentence : sentenceFor(error), "error");
    }
  };
  onClick("new-backup-codes", () => attempt(async () => showBackupCodes(await setUp.renewCodes(), openSettings)));
  onSubmit(() =>
    attempt(async () => {
      await setUp.end();
      notice("The second factor is off", "Signing in asks for the password alone again.", "/settings");
    }),
  );
}

function lineOf(session, client) {
  const entry = readClient(client, Date.now());
  const { title, detail, isProgram, ids } = entry;
  if (!ids) return clientLine(title, detail);
  return clientLine(title, detail, lineButton(isProgram ? "Revoke" : "Sign out", title, () => askDetach(session, entry)));
}

/** Asks once whether another browser is to be signed out, or a program to lose its consent. */
function askDetach(session, entry) {
  const fill = { "account-email": session.email, "client-name": entry.title };
  show(entry.isProgram ? "revoke" : "sign-out", { fill });
  onClick("decline", () => openSettings());
  onSubmit(() => detach(session, entry));
}

async function detach(session, entry) {
  try {
    await accounts.detachClient(session.sessionToken, entry.ids);
  } catch (error) {
    const again = () => {
      askDetach(session, entry);
      return detach(session, entry);
    };
    return afterRefusal(session, error, { again });
  }
  await openSettings(`${entry.isProgram ? "Revoked" : "Signed out"}: ${entry.title}.`);
}
