// Making, replacing and deleting the recovery key. Called by settings-screens.js and password-screens.js.

import { sentenceFor } from "./messages.js";
import { NewRecoveryKey } from "./recovery-key.js";
import { blame, byId, notice, onClick, onSubmit, say, show, wireCopyButtons, wirePasswordToggle } from "./screens.js";
import { askSecondFactorIn } from "./signin-screens.js";
import { accounts, seal } from "./state.js";

/** Says whether there is a key, and asks for the password that a new one needs. `reason` is why this was opened. */
export async function openRecoveryKey(session, reason = "") {
  const making = new NewRecoveryKey({ accounts, seal, session });
  let exists;
  try {
    exists = await making.exists();
  } catch (error) {
    // What brought the person here is done, and has to be said whatever comes after.
    return reason ? notice("Your password is set", reason, "/settings") : say(sentenceFor(error), "error");
  }
  show("recovery-key", { fill: { "account-email": session.email, email: session.email } });
  byId("recovery-key-there").hidden = !exists;
  if (reason) say(reason);
  wirePasswordToggle();
  onClick("delete-recovery-key", () => deleteKey(making));
  onSubmit(async () => {
    const password = byId("password").value;
    if (password === "") return blame("password", "Please enter your password.");
    say("Checking your password…");
    try {
      const awaitsFactor = await making.prove(password);
      if (awaitsFactor) askSecondFactorIn(session, () => showKey(making));
      else await showKey(making);
    } catch (error) {
      blame("password", sentenceFor(error));
    }
  });
}

async function deleteKey(making) {
  try {
    await making.delete();
    notice("The recovery key is deleted", "A forgotten password now costs what is stored on the server.", "/settings");
  } catch (error) {
    say(sentenceFor(error), "error");
  }
}

/** The key is stored only when it was typed once: then it is on paper, or wherever it is kept. */
async function showKey(making) {
  show("recovery-key-new", { fill: { "new-recovery-key": await making.make() } });
  wireCopyButtons();
  onSubmit(async () => {
    try {
      await making.keep(byId("typed-recovery-key").value);
    } catch (error) {
      return blame("typed-recovery-key", sentenceFor(error));
    }
    const text = "Keep it where you will find it without this device. It is good once, for one forgotten password.";
    notice("Your recovery key is set", text, "/settings");
  });
}
