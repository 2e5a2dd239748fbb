// Signing in and signing up: from the address to the end, screen by screen. Called by page.js and the other screens.

import { codeDigits, emailProblem, passwordProblem } from "./context.js";
import { runErrand } from "./errand-screens.js";
import { nextScreenFor, sentenceFor } from "./messages.js";
import { askForgotten } from "./password-screens.js";
import { blame, byId, declinedEngines, listEngines, onClick, onSubmit, say, show, wirePasswordToggle } from "./screens.js";
import { openSettings } from "./settings-screens.js";
import { SignIn, isUsual } from "./signin.js";
import { accounts, address, channel, keepSession, now, origin, seal } from "./state.js";

/** How often the code screen asks whether the link was used in another tab, and for how long in all. */
const LINK_POLL_MS = 5_000;
const LINK_POLLS_MAX = 720;

export async function openSignIn() {
  const email = address.email || now.firefox?.signedInUser?.email || "";
  askEmail(email);
  if (address.fromFirefox && !now.firefox) {
    say(
      `Firefox opened this page but does not answer it. Please check that identity.fxaccounts.autoconfig.uri is ` +
        `exactly ${origin}. Without that you can only sign in to this page.`,
      "error",
    );
  } else if (email && !emailProblem(email)) {
    await attemptStep("email", () => continueWith(email));
  }
}

export function askEmail(email = "") {
  now.attempt = null;
  show("email", { fill: { email }, inFirefox: now.firefox !== null });
  onSubmit(async () => {
    const typed = byId("email").value.trim();
    const problem = emailProblem(typed);
    if (problem) return blame("email", problem);
    await attemptStep("email", () => continueWith(typed));
  });
}

async function continueWith(email) {
  if (await accounts.accountExists(email)) askPassword(email);
  else askNewPassword(email);
}

function newAttempt() {
  return new SignIn({
    accounts,
    seal,
    channel: now.firefox ? channel : null,
    flow: address.flow,
    service: address.service || (now.firefox ? "sync" : ""),
    engines: now.firefox?.capabilities?.engines ?? [],
  });
}

function askPassword(email) {
  showPasswordScreen("signin", email);
  onClick("forgot", () => askForgotten(email));
  onSubmit(async () => {
    const password = byId("password").value;
    if (password === "") return blame("password", "Please enter your password.");
    await attemptStep("password", async () => {
      say("Checking your password…");
      now.attempt = newAttempt();
      await now.attempt.login(email, password);
      await afterCredentials();
    });
  });
}

function askNewPassword(email) {
  showPasswordScreen("signup", email);
  const engines = now.firefox?.capabilities?.engines ?? [];
  listEngines(engines, isUsual);
  byId("invite").value = address.invite;
  byId("invite-choice").open = address.invite !== "";
  onSubmit(async () => {
    const password = byId("password").value;
    const problem = passwordProblem(password);
    if (problem) return blame("password", problem);
    const declined = declinedEngines();
    const invite = byId("invite").value.trim();
    await attemptStep("password", async () => {
      say("Making your account…");
      now.attempt = newAttempt();
      now.attempt.chooseEngines(engines, declined);
      await now.attempt.create(email, password, invite);
      await afterCredentials();
    });
  });
}

function showPasswordScreen(name, email) {
  show(name, { fill: { "account-email": email, email }, inFirefox: now.firefox !== null });
  wirePasswordToggle();
  onClick("other-address", () => askEmail());
}

async function afterCredentials() {
  if (now.attempt.session.verified) return finish();
  await askForConfirmation();
}

/** Asks for what the attempt's session is not confirmed by yet. */
async function askForConfirmation() {
  if (now.attempt.awaitsSecondFactor) return askSecondFactor();
  askCode();
  // Sign-up has sent a code already, and a sign-in that is confirmed, too; a later one to an unconfirmed account has not.
  // Where it cannot send one more, the last one is still to be typed.
  if (now.attempt.action === "signin" && !now.attempt.isCodeSent) await attemptStep("code", () => now.attempt.resend());
}

/** Goes on with a session of before that is not confirmed, up to the end of what the person came for. */
export async function confirmSession(session) {
  now.attempt = newAttempt();
  await now.attempt.resume(session);
  await askForConfirmation();
}

function askCode() {
  show("code", { fill: { "account-email": now.attempt.session.email } });
  watchForLink(now.attempt);
  onSubmit(async () => {
    const code = codeDigits(byId("code").value);
    if (!code) return blame("code", "The code has 6 digits.");
    const current = now.attempt;
    await attemptStep("code", async () => {
      await current.verify(code);
      // The link may have been followed at the same moment; whoever comes first goes on.
      if (document.body.dataset.screen === "code") await finish();
    });
  });
  onClick("resend", () =>
    attemptStep("code", async () => {
      await now.attempt.resend();
      say("Another code is on its way.", "good");
    }),
  );
}

/** Asks for a second factor in a session that is there, and goes on with `next`. */
export function askSecondFactorIn(session, next) {
  now.attempt = newAttempt();
  // Whatever happens here, the session is not this attempt's to end.
  now.attempt.session = { ...session, handedOver: true };
  askSecondFactor(next);
}

/** A code of the authenticator or a backup code: the server counts wrong ones, and the person may try again. */
function askSecondFactor(next = finish) {
  show("second-factor", { fill: { "account-email": now.attempt.session.email } });
  onClick("other-address", async () => {
    await now.attempt.abandon();
    askEmail();
  });
  onSubmit(async () => {
    const typed = byId("code").value;
    if (typed.trim() === "") return blame("code", "Please enter a code.");
    const current = now.attempt;
    await attemptStep("code", async () => {
      if (await current.giveSecondFactor(typed)) return await next();
      blame("code", "This code is not right, or was used already. Please try the next one.");
    });
  });
}

/** The link in the mail may be opened in another tab: asks now and then, and at once when this tab is looked at. */
function watchForLink(watched) {
  let polls = 0;
  let asking = false;
  const isOver = () => now.attempt !== watched || document.body.dataset.screen !== "code";
  const ask = async () => {
    if (isOver()) return stop();
    if (asking || document.hidden || byId("submit").disabled) return;
    asking = true;
    // A failed question is asked again: the person can still type the code.
    const verified = await watched.refresh().catch(() => false);
    asking = false;
    if (verified && !isOver() && !byId("submit").disabled) {
      stop();
      await attemptStep("code", finish);
    }
  };
  const timer = setInterval(() => {
    polls += 1;
    if (polls > LINK_POLLS_MAX) clearInterval(timer);
    ask();
  }, LINK_POLL_MS);
  const stop = () => {
    clearInterval(timer);
    removeEventListener("focus", ask);
    document.removeEventListener("visibilitychange", ask);
  };
  addEventListener("focus", ask);
  document.addEventListener("visibilitychange", ask);
}

/** The account is ready: join this Firefox with it, or on a plain visit keep the session. */
async function finish() {
  if (now.errand) {
    keepSession(now.attempt.session);
    return runErrand(now.attempt.session);
  }
  if (!now.firefox) {
    keepSession(now.attempt.session);
    return openSettings();
  }
  show("connecting");
  const { email } = now.attempt.session;
  if (!(await now.attempt.connect((step) => say(step)))) {
    askEmail(email);
    return say("This Firefox was not joined with the account.");
  }
  show("done", { fill: { "account-email": email } });
}

/** Runs one step; a failure becomes a sentence on the screen where it can be mended. */
export async function attemptStep(field, step) {
  try {
    await step();
  } catch (error) {
    await recover(field, error);
  }
}

async function recover(field, error) {
  const email = now.attempt?.session?.email ?? byId("account-email")?.textContent ?? address.email;
  const shown = document.body.dataset.screen;
  const next = nextScreenFor(error);
  if (shown === "connecting" || (next === "signin" && shown !== "signin")) {
    await now.attempt?.abandon();
    askPassword(email);
  } else if (next === "signup" && shown === "signin") {
    askNewPassword(email);
  } else if (next === "code" && now.attempt?.session && shown !== "code" && shown !== "second-factor") {
    if (now.attempt.awaitsSecondFactor) askSecondFactor();
    else askCode();
  }
  blame(document.body.dataset.screen === shown ? field : "password", sentenceFor(error));
}
