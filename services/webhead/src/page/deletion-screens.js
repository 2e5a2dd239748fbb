// Deleting the account of whoever is signed in. Called by page.js.

import { deleteAccount } from "./deletion.js";
import { blame, byId, notice, onSubmit, say, show, wirePasswordToggle } from "./screens.js";
import { afterRefusal } from "./settings-screens.js";
import { askEmail } from "./signin-screens.js";
import { accounts, address, channel, currentSession, forgetAccount, now, seal } from "./state.js";

export function openDeletion() {
  const session = currentSession();
  if (!session) {
    askEmail(address.email);
    return say("Please sign in to delete your account.");
  }
  askDeletion(session);
}

function askDeletion(session) {
  show("delete", { fill: { "account-email": session.email, email: session.email } });
  wirePasswordToggle();
  onSubmit(async () => {
    const password = byId("password").value;
    if (password === "") return blame("password", "Please enter your password.");
    await remove(session, password);
  });
}

async function remove(session, password) {
  say("Deleting your account…");
  try {
    await deleteAccount({ accounts, seal, session, password });
  } catch (error) {
    const again = () => {
      askDeletion(session);
      return remove(session, password);
    };
    return afterRefusal(session, error, { again, field: "password" });
  }
  // Firefox looks at the uid itself: signed in to another account, it stays so.
  if (now.firefox) channel.delete(session.uid);
  forgetAccount(session);
  now.firefox = null;
  notice("Your account is deleted", "All its browsers are signed out. What they have stored themselves stays there.", "/");
}
