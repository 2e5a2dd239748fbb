// The account of whoever is signed in: its sessions and its second factor. Called by page.js and the other screens.

import { agoInWords } from "./context.js";
import { sentenceFor } from "./messages.js";
import { openRecoveryKey } from "./recovery-key-screens.js";
import { blame, byId, clientLine, notice, onClick, onSubmit, say, show } from "./screens.js";
import { SecondFactorSetUp } from "./second-factor.js";
import { askEmail, confirmSession } from "./signin-screens.js";
import { accounts, address, channel, currentSession, forgetSession, now } from "./state.js";

export async function openSettings() {
  const session = currentSession();
  if (!session) {
    askEmail(address.email);
    return say("Please sign in to see your account.");
  }
  try {
    const clients = await accounts.attachedClients(session.sessionToken);
    showSettings(session, clients);
  } catch (error) {
    if (error.errno === 138 && !session.ofFirefox) return confirmSession(session);
    const isOver = error.errno === 110;
    if (isOver) forgetSession();
    askEmail(session.email);
    say(sentenceFor(error), "error");
  }
}

function showSettings(session, clients) {
  show("settings", { fill: { "account-email": session.email } });
  byId("clients").replaceChildren(...clients.map((client) => describe(client)));
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
    forgetSession();
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

function describe(client) {
  const title = client.name || client.userAgent || "A session of this page";
  const used = client.lastAccessTime ? `used ${agoInWords(client.lastAccessTime, Date.now())}` : "";
  const mine = client.isCurrentSession ? "this session" : "";
  return clientLine(title, [client.deviceType, used, mine].filter(Boolean).join(", "));
}
