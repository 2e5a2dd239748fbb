// Signing in to another program, and out again: what the person is asked before the browser goes back there. Called by
// page.js and signin-screens.js.

import { stretch } from "./credentials.js";
import { sentenceFor } from "./messages.js";
import { Errand, afterSignOut, scopeInWords } from "./openid.js";
import { blame, byId, clientLine, notice, onClick, onSubmit, say, show, wirePasswordToggle } from "./screens.js";
import { SecondFactorSetUp } from "./second-factor.js";
import { openSecondFactor } from "./settings-screens.js";
import { askEmail, askSecondFactorIn, attemptStep, confirmSession } from "./signin-screens.js";
import { accounts, forgetSession, now, origin, seal, storedSession } from "./state.js";

export async function openErrand() {
  const request = new Errand(new URL(location.href).searchParams, origin);
  // Without a name there is nothing to show; this also tells the server's time.
  const client = await accounts.oauthClient(request.clientId);
  now.errand = { request, client, requestedAt: accounts.serverNow() };
  const session = storedSession();
  if (!session || !request.fits(session)) {
    if (request.isSilent) return leave(request.failed("login_required"));
    return askEmail(request.email);
  }
  if (request.choosesAccount) return askAccount(session);
  await runErrand(session);
}

/** Asks for the code; what the server refuses is asked of the person, or told to the program. */
export async function runErrand(session, consent = false) {
  const { request, requestedAt } = now.errand;
  let answer;
  try {
    answer = await accounts.authorize(session.sessionToken, request.body(requestedAt, consent));
  } catch (error) {
    return afterRefusal(session, error);
  }
  leave(request.answered(answer));
}

async function afterRefusal(session, refusal) {
  const { request } = now.errand;
  const { screen, error } = request.after(refusal);
  if (error) return leave(request.failed(error));
  switch (screen) {
    case "signin":
      forgetSession(session);
      askEmail(session.email);
      return say(sentenceFor(refusal));
    case "confirm":
      return confirmSession(session);
    case "again":
      return askAgain(session);
    case "second-factor":
      return askFactor(session, refusal);
    case "consent":
      return askConsent(session, refusal.extras.scopes ?? "");
    case "denied":
      return notAllowed(refusal);
    default:
      say(sentenceFor(refusal), "error");
  }
}

/** Says so before the program is told. */
function notAllowed(refusal) {
  const answer = now.errand.request.failed("access_denied");
  notice("This account may not be used there", sentenceFor(refusal), answer.address);
  byId("notice-link").addEventListener("click", (event) => {
    event.preventDefault();
    leave(answer);
  });
}

function askAccount(session) {
  show("account", { fill: { "account-email": session.email } });
  onClick("other-address", () => askEmail());
  onSubmit(() => runErrand(session));
}

function askAgain(session) {
  const fill = { "account-email": session.email, email: session.email, "client-name": now.errand.client.name };
  show("again", { fill });
  wirePasswordToggle();
  onClick("other-address", () => askEmail());
  onSubmit(async () => {
    const password = byId("password").value;
    if (password === "") return blame("password", "Please enter your password.");
    await attemptStep("password", async () => {
      const { auth_pw } = await stretch(accounts, seal, session.email, password);
      const given = { email: session.email, authPW: auth_pw };
      const { verificationMethod } = await accounts.reauthenticate(session.sessionToken, given);
      if (verificationMethod === "totp-2fa") return askSecondFactorIn(session, () => runErrand(session));
      await runErrand(session);
    });
  });
}

/** The program wants more than a password: a code, or first the authenticator that shows one. */
async function askFactor(session, refusal) {
  const { request, client } = now.errand;
  const refuse = () => leave(request.failed("unmet_authentication_requirements"));
  // Asked once: who gave one and is refused again will not get further by giving another.
  if (now.errand.hasAskedFactor) return refuse();
  now.errand.hasAskedFactor = true;
  const next = () => runErrand(session);
  try {
    if (await new SecondFactorSetUp({ accounts, session }).isOn()) return askSecondFactorIn(session, next);
  } catch {
    return say(sentenceFor(refusal), "error");
  }
  show("factor-wanted", { fill: { "account-email": session.email, "client-name": client.name } });
  onClick("decline", refuse);
  onSubmit(() => openSecondFactor(session, next));
}

function askConsent(session, scopes) {
  const { request, client } = now.errand;
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

export function openLogout() {
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
    forgetSession(session);
    done();
  });
}
