// The sign-in page: decides which screen is shown and what its buttons do. Loaded by index.html.
//
// Stable marks for tests: body[data-screen] is one of loading, start, email, signin, signup, code, second-factor, forgot,
// reset, connecting, done, settings, password, totp, totp-off, backup-codes, consent, account, again, logout, notice. In the
// screens: #email, #password, #old-password, #code, #submit (the one main button), #status (the sentence for the person,
// data-kind note, good or error), #account-email, #other-address, #toggle-password, #invite, #forgot, #resend,
// #engines input[name=ENGINE], #pref-root, #pref-http, #clients li, #change-password, #second-factor, #totp-picture,
// #totp-secret, #backup-codes li, #notice, #notice-link, #scopes li, #decline.
//
// Kept in this origin's localStorage after a plain web sign-in: uid, email, session token. Never a password or key.

import { Accounts } from "./api.js";
import { FirefoxChannel } from "./channel.js";
import { agoInWords, codeDigits, emailProblem, passwordProblem, readAddress, withoutInvite } from "./context.js";
import { startCrypto } from "./crypto.js";
import { nextScreenFor, resetLinkSentence, sentenceFor, waitInWords } from "./messages.js";
import { stretch } from "./credentials.js";
import { Errand, afterSignOut, scopeInWords } from "./openid.js";
import { PasswordReset, changePassword } from "./password.js";
import {
  blame, byId, clientLine, declinedEngines, listEngines, onClick, onSubmit, say, show, wireCopyButtons,
  wirePasswordToggle,
} from "./screens.js";
import { SecondFactorSetUp } from "./second-factor.js";
import { SignIn, isUsual } from "./signin.js";

const SESSION_PLACE = "foxhold.session";
/** How often the code screen asks whether the link was used in another tab, and for how long in all. */
const LINK_POLL_MS = 5_000;
const LINK_POLLS_MAX = 720;

const origin = location.origin;
const address = readAddress(new URL(location.href));
if (address.invite) history.replaceState(null, "", withoutInvite(new URL(location.href)));
const channel = new FirefoxChannel();
const seal = startCrypto();
const accounts = new Accounts({
  origin,
  seal,
  onBusy: (seconds) => say(`The server is busy. Trying again in ${waitInWords(seconds)}…`),
});

/** What fxa_status answered, or null outside a Firefox that trusts this origin. */
let firefox = null;
/** The attempt under way. */
let attempt = null;
/** What another program has sent this browser for, with its client and when it came; or null. */
let errand = null;

async function open() {
  byId("host").textContent = location.host;
  if (address.view === "verify") return openVerifyLink();
  if (address.view === "authorization") return openErrand();
  if (address.view === "logout") return openLogout();
  if (address.view === "pair") return notice("Pairing is not offered here", PAIR_TEXT, "/connect_another_device");
  firefox = await channel.status(address.service);
  switch (address.view) {
    case "settings":
      return openSettings();
    case "password":
      return openChangePassword();
    case "forgot":
      return askForgotten(address.email);
    case "reset":
      return openResetLink();
    case "connect":
      return openStart();
    case "start":
      return firefox?.signedInUser || storedSession() ? openSettings() : openStart();
    default:
      return openSignIn();
  }
}

const PAIR_TEXT =
  "This server has no channel for pairing with a phone by camera. Set the two preferences on the other device and " +
  "sign in there with your password instead.";

// --- Sign-in and sign-up -------------------------------------------------------------------------------------------

async function openSignIn() {
  const email = address.email || firefox?.signedInUser?.email || "";
  askEmail(email);
  if (address.fromFirefox && !firefox) {
    say(
      `Firefox opened this page but does not answer it. Please check that identity.fxaccounts.autoconfig.uri is ` +
        `exactly ${origin}. Without that you can only sign in to this page.`,
      "error",
    );
  } else if (email && !emailProblem(email)) {
    await attemptStep("email", () => continueWith(email));
  }
}

function askEmail(email = "") {
  attempt = null;
  show("email", { fill: { email }, inFirefox: firefox !== null });
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
    channel: firefox ? channel : null,
    flow: address.flow,
    service: address.service || (firefox ? "sync" : ""),
    engines: firefox?.capabilities?.engines ?? [],
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
      attempt = newAttempt();
      await attempt.login(email, password);
      await afterCredentials();
    });
  });
}

function askNewPassword(email) {
  showPasswordScreen("signup", email);
  const engines = firefox?.capabilities?.engines ?? [];
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
      attempt = newAttempt();
      attempt.chooseEngines(engines, declined);
      await attempt.create(email, password, invite);
      await afterCredentials();
    });
  });
}

function showPasswordScreen(name, email) {
  show(name, { fill: { "account-email": email, email }, inFirefox: firefox !== null });
  wirePasswordToggle();
  onClick("other-address", () => askEmail());
}

async function afterCredentials() {
  if (attempt.session.verified) return finish();
  if (attempt.awaitsSecondFactor) return askSecondFactor();
  askCode();
  // Sign-up has sent a code already; a later sign-in to an unconfirmed account has not. Where it cannot send one more,
  // the last one is still to be typed.
  if (attempt.action === "signin") await attemptStep("code", () => attempt.resend());
}

function askCode() {
  show("code", { fill: { "account-email": attempt.session.email } });
  watchForLink(attempt);
  onSubmit(async () => {
    const code = codeDigits(byId("code").value);
    if (!code) return blame("code", "The code has 6 digits.");
    const current = attempt;
    await attemptStep("code", async () => {
      await current.verify(code);
      // The link may have been followed at the same moment; whoever comes first goes on.
      if (document.body.dataset.screen === "code") await finish();
    });
  });
  onClick("resend", () =>
    attemptStep("code", async () => {
      await attempt.resend();
      say("Another code is on its way.", "good");
    }),
  );
}

/** A code of the authenticator or a backup code: the server counts wrong ones, and the person may try again. */
function askSecondFactor() {
  show("second-factor", { fill: { "account-email": attempt.session.email } });
  onSubmit(async () => {
    const typed = byId("code").value;
    if (typed.trim() === "") return blame("code", "Please enter a code.");
    const current = attempt;
    await attemptStep("code", async () => {
      if (await current.giveSecondFactor(typed)) return finish();
      blame("code", "This code is not right, or was used already. Please try the next one.");
    });
  });
}

/** The link in the mail may be opened in another tab: asks now and then, and at once when this tab is looked at. */
function watchForLink(watched) {
  let polls = 0;
  let asking = false;
  const isOver = () => attempt !== watched || document.body.dataset.screen !== "code";
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
  if (errand) {
    keepSession(attempt.session);
    return runErrand(attempt.session);
  }
  if (!firefox) {
    keepSession(attempt.session);
    return openSettings();
  }
  show("connecting");
  const { email } = attempt.session;
  if (!(await attempt.connect((step) => say(step)))) {
    askEmail(email);
    return say("This Firefox was not joined with the account.");
  }
  show("done", { fill: { "account-email": email } });
}

/** Runs one step; a failure becomes a sentence on the screen where it can be mended. */
async function attemptStep(field, step) {
  try {
    await step();
  } catch (error) {
    await recover(field, error);
  }
}

async function recover(field, error) {
  const email = attempt?.session?.email ?? byId("account-email")?.textContent ?? address.email;
  const shown = document.body.dataset.screen;
  const next = nextScreenFor(error);
  if (shown === "connecting" || (next === "signin" && shown !== "signin")) {
    await attempt?.abandon();
    askPassword(email);
  } else if (next === "signup" && shown === "signin") {
    askNewPassword(email);
  } else if (next === "code" && attempt?.session && shown !== "code" && shown !== "second-factor") {
    if (attempt.awaitsSecondFactor) askSecondFactor();
    else askCode();
  }
  blame(document.body.dataset.screen === shown ? field : "password", sentenceFor(error));
}

// --- A new password ------------------------------------------------------------------------------------------------

/** The link is asked for; it is opened in whichever browser the mail is read in. */
function askForgotten(email = "") {
  attempt = null;
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

function openResetLink() {
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
    say("Setting the new password…");
    try {
      await afterReset(await reset.set(password, { signIn: firefox === null }));
    } catch (error) {
      const spent = resetLinkSentence(error);
      if (spent) notice("This link does not work", spent, "/reset_password");
      else blame("password", sentenceFor(error));
    }
  });
}

/** A Firefox has to begin its sign-in itself; any other browser is signed in to this page. */
async function afterReset(session) {
  if (!session) {
    return notice("Your password is set", "Now sign in with it from Firefox’s menu, in this and every other one.", "/");
  }
  keepSession(session);
  await openSettings();
}

async function openChangePassword() {
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

function keepSession({ uid, email, sessionToken }) {
  localStorage.setItem(SESSION_PLACE, JSON.stringify({ uid, email, sessionToken }));
}

// --- Signing in to another program -----------------------------------------------------------------------------------

async function openErrand() {
  const request = new Errand(new URL(location.href).searchParams, origin);
  // Without a name there is nothing to show; this also tells the server's time.
  const client = await accounts.oauthClient(request.clientId);
  errand = { request, client, requestedAt: accounts.serverNow() };
  const session = storedSession();
  if (!session || !request.fits(session)) {
    if (request.isSilent) return leave(request.failed("login_required"));
    return askEmail(request.email);
  }
  if (request.choosesAccount) return askAccount(session);
  await runErrand(session);
}

/** Asks for the code; what the server refuses is asked of the person, or told to the program. */
async function runErrand(session, consent = false) {
  const { request, requestedAt } = errand;
  let answer;
  try {
    answer = await accounts.authorize(session.sessionToken, request.body(requestedAt, consent));
  } catch (error) {
    return afterRefusal(session, error);
  }
  leave(request.answered(answer));
}

async function afterRefusal(session, refusal) {
  const { request } = errand;
  const { screen, error } = request.after(refusal);
  if (error) return leave(request.failed(error));
  switch (screen) {
    case "signin":
      localStorage.removeItem(SESSION_PLACE);
      askEmail(session.email);
      return say(sentenceFor(refusal));
    case "code":
      attempt = newAttempt();
      attempt.session = { ...session, verified: false };
      askCode();
      return attemptStep("code", () => attempt.resend());
    case "again":
      return askAgain(session);
    case "consent":
      return askConsent(session, refusal.extras.scopes ?? "");
    case "denied":
      notice("This account may not be used there", sentenceFor(refusal), request.failed("access_denied").address);
      return;
    default:
      say(sentenceFor(refusal), "error");
  }
}

function askAccount(session) {
  show("account", { fill: { "account-email": session.email } });
  onClick("other-address", () => askEmail());
  onSubmit(() => runErrand(session));
}

function askAgain(session) {
  const fill = { "account-email": session.email, email: session.email, "client-name": errand.client.name };
  show("again", { fill });
  wirePasswordToggle();
  onClick("other-address", () => askEmail());
  onSubmit(async () => {
    const password = byId("password").value;
    if (password === "") return blame("password", "Please enter your password.");
    await attemptStep("password", async () => {
      const { auth_pw } = await stretch(accounts, seal, session.email, password);
      await accounts.reauthenticate(session.sessionToken, { email: session.email, authPW: auth_pw });
      await runErrand(session);
    });
  });
}

function askConsent(session, scopes) {
  const { request, client } = errand;
  const fill = { "account-email": session.email, "client-name": client.name, "client-host": request.host };
  show("consent", { fill });
  const lines = scopes.split(" ").filter(Boolean).map((scope) => clientLine(scopeInWords(scope), ""));
  byId("scopes").replaceChildren(...lines);
  onClick("other-address", () => askEmail());
  onClick("decline", () => leave(request.failed("access_denied")));
  onSubmit(() => runErrand(session, true));
}

/** Back to the program that sent the browser. */
function leave({ address: target, fields }) {
  if (!fields) return location.replace(target);
  const form = document.createElement("form");
  form.method = "post";
  form.action = target;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}

function openLogout() {
  const target = afterSignOut(new URL(location.href).searchParams);
  const done = () => (target ? location.replace(target) : notice("You are signed out", "The session has ended.", "/"));
  const session = storedSession();
  if (!session) return done();
  show("logout", { fill: { "account-email": session.email } });
  onClick("decline", () => location.replace("/settings"));
  onSubmit(async () => {
    try {
      await accounts.destroySession(session.sessionToken);
    } catch (error) {
      if (error.errno !== 110) return say(sentenceFor(error), "error");
    }
    localStorage.removeItem(SESSION_PLACE);
    done();
  });
}

// --- Other screens -------------------------------------------------------------------------------------------------

function openStart() {
  show("start", { fill: { "pref-root": origin } });
  byId("pref-http-row").hidden = location.protocol !== "http:";
  wireCopyButtons();
  onSubmit(() => askEmail());
}

function storedSession() {
  try {
    return JSON.parse(localStorage.getItem(SESSION_PLACE));
  } catch {
    return null;
  }
}

/** The session of this Firefox if it has one, else that of this page. */
function currentSession() {
  const user = firefox?.signedInUser;
  return user?.sessionToken ? { ...user, ofFirefox: true } : storedSession();
}

async function openSettings() {
  const session = currentSession();
  if (!session) {
    askEmail(address.email);
    return say("Please sign in to see your account.");
  }
  try {
    const clients = await accounts.attachedClients(session.sessionToken);
    showSettings(session, clients);
  } catch (error) {
    const isOver = error.errno === 110;
    if (isOver) localStorage.removeItem(SESSION_PLACE);
    askEmail(session.email);
    say(sentenceFor(error), "error");
  }
}

function showSettings(session, clients) {
  show("settings", { fill: { "account-email": session.email } });
  byId("clients").replaceChildren(...clients.map((client) => describe(client)));
  onClick("second-factor", () => openSecondFactor(session));
  if (session.ofFirefox) byId("submit").textContent = "Sign out of this Firefox";
  onSubmit(async () => {
    try {
      await accounts.destroySession(session.sessionToken);
    } catch (error) {
      if (error.errno !== 110) return say(sentenceFor(error), "error");
    }
    if (session.ofFirefox) channel.logout(session.uid);
    localStorage.removeItem(SESSION_PLACE);
    firefox = null;
    notice("You are signed out", "The session has ended on the server.", "/");
  });
}

async function openSecondFactor(session) {
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
      showBackupCodes(codes);
    } catch (error) {
      blame("code", sentenceFor(error));
    }
  });
}

function showBackupCodes(codes) {
  show("backup-codes");
  const lines = codes.map((code) => {
    const line = document.createElement("li");
    line.textContent = code;
    return line;
  });
  byId("backup-codes").replaceChildren(...lines);
  onSubmit(() => openSettings());
}

function offerToEndSecondFactor(setUp, session) {
  show("totp-off", { fill: { "account-email": session.email } });
  onSubmit(async () => {
    try {
      await setUp.end();
      notice("The second factor is off", "Signing in asks for the password alone again.", "/settings");
    } catch (error) {
      const sentence = "This session was not opened with a code. Please sign out, sign in with one, and try again.";
      say(error.errno === 138 ? sentence : sentenceFor(error), "error");
    }
  });
}

function describe(client) {
  const title = client.name || client.userAgent || "A session of this page";
  const used = client.lastAccessTime ? `used ${agoInWords(client.lastAccessTime, Date.now())}` : "";
  const mine = client.isCurrentSession ? "this session" : "";
  return clientLine(title, [client.deviceType, used, mine].filter(Boolean).join(", "));
}

async function openVerifyLink() {
  const { uid, code } = address.link;
  if (!uid || !code) return notice("This link is incomplete", "Please copy the whole link from the mail.", "/");
  try {
    await accounts.verifyLink(uid, code);
    notice("Your address is confirmed", "Go back to the tab where you began; it goes on by itself.", "/");
  } catch (error) {
    notice("This link does not work", linkSentence(error), "/");
  }
}

function linkSentence(error) {
  return error.errno === 105 ? "It has been replaced by a newer one. Please look at the newest mail." : sentenceFor(error);
}

function notice(title, text, href) {
  show("notice", { fill: { notice: text } });
  document.querySelector("h1").textContent = title;
  document.title = `${title} – Foxhold`;
  byId("notice-link").href = href;
}

open().catch((error) => say(sentenceFor(error), "error"));
