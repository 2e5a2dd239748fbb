// Every failure the page can meet, as a sentence a person can act on. Called by page.js.
// Pure; numbers are the errno of the accounts contract (c), Errors.

const SENTENCES = {
  100: "The server is set up wrongly and says so itself. Please tell whoever runs it.",
  101: "There is already an account with this address. Please sign in with its password.",
  102: "There is no account with this address yet. You can make one now.",
  103: "The password is wrong.",
  104: "Please confirm your e-mail address first.",
  105: "This code is wrong. Please look at the newest mail.",
  106: "The server could not read the request. Please reload the page.",
  109: "The server could not check the signature of the request. Please reload the page and sign in again.",
  110: "This sign-in has ended. Please enter your password again.",
  111: "The clock of this device is too far off. Please set it and try again.",
  112: "The request arrived without its length. A proxy in between may have changed it.",
  113: "The request was too large for the server.",
  115: "The server has seen this request before. Please try again.",
  116: "The server does not offer this any more.",
  120: "The address is spelled differently from the one the account was made with.",
  125: "This account is disabled. Please ask whoever runs the server.",
  126: "This account has to be reset before it can be used.",
  133: "Mail to this address came back. Please use a different address.",
  134: "Mail to this address was reported as unwanted. Please use a different address.",
  135: "Mail to this address came back. Please use a different address.",
  138: "This sign-in is not confirmed yet. Please sign in once more, and enter the code that is asked for.",
  142: "Please sign in with the account’s first address.",
  149: "This address cannot be used to sign in.",
  151: "The mail could not be sent. Please check the address and try again.",
  152: "This code is wrong. Please look at the newest mail.",
  153: "This code has run out. Please ask for another one.",
  154: "This account has a second factor already.",
  155: "This account has no second factor.",
  156: "This backup code is unknown, or was used already.",
  158: "This account has no recovery key.",
  159: "This is not the account’s recovery key.",
  160: "This account asks for a second factor. Please sign in once more, and enter the code that is asked for.",
  161: "This account has a recovery key already.",
  162: "The server does not know the program that wants to sign in.",
  163: "The program asks for something this server does not allow.",
  164: "This sign-in is too old. Please enter your password again.",
  165: "The account was changed at the same moment from somewhere else. Please try again.",
  167: "The program gave an address the server does not accept.",
  169: "The address that opened this page is incomplete. Please start again from Firefox’s menu.",
  170: "The program asks for a second factor, which was not given in this sign-in.",
  202: "This server has that switched off.",
  203: "A part of the server failed in a way that trying again will not cure. Please tell whoever runs it.",
  998: "The server failed inside. Please tell whoever runs it.",
  999: "The server failed inside. Please tell whoever runs it.",
  1001: "This server takes no new accounts.",
  1002: "This server takes new accounts by invitation only.",
  1003: "The invitation is unknown, used up, run out, or meant for another address.",
  1004: "This server takes no new accounts with addresses of this mail domain.",
  1006: "This account may not be used for that program.",
};

/** Which screen helps with an error, where it is not the one that is open. */
const NEXT_SCREEN = { 101: "signin", 102: "signup", 104: "code", 110: "signin", 138: "code", 164: "signin" };

/** Errors whose message is a sentence for the person already. */
const PLAIN = ["ChannelError", "CryptoError", "UnfitKeyError"];

/** The sentence for an `ApiError`, a `ChannelError` or any other failure. */
export function sentenceFor(error) {
  if (error.name === "ApiError") return apiSentence(error);
  if (PLAIN.includes(error.name)) return error.message;
  return `This page met a fault of its own: ${error.message}. Please reload it.`;
}

/** The sentence for a link to a new password that leads nowhere any more, or null if it may still be good. */
export function resetLinkSentence(error) {
  if (error.passwordMayBeSet && error.errno === 110) return MAY_BE_SET;
  const isSpent = error.name === "ApiError" && (error.errno === 105 || error.errno === 110);
  return isSpent ? "It has been used, or has run out. Please ask for another mail." : null;
}

/** The screen that helps with an error, or null. */
export function nextScreenFor(error) {
  return (error.name === "ApiError" && NEXT_SCREEN[error.errno]) || null;
}

const MAY_BE_SET =
  "The server did not say whether the new password is set. Please try to sign in with it, and else once more.";

function apiSentence(error) {
  if (error.passwordMayBeSet) return MAY_BE_SET;
  if (error.status === 0) {
    return "The server cannot be reached. Please check the connection and try again.";
  }
  if (error.isBusy) return `The server is busy. Please try again in ${waitInWords(error.retryAfter)}.`;
  switch (error.errno) {
    case 105:
      return withTries(SENTENCES[105], error.extras.tries);
    case 107:
      return `The server does not accept one of the values${detail(error)}.`;
    case 108:
      return `The server misses one of the values${detail(error)}.`;
    case 114:
      return `Too many attempts. Please try again in ${waitInWords(error.retryAfter)}.`;
    default:
      return SENTENCES[error.errno] ?? unlisted(error);
  }
}

function withTries(sentence, tries) {
  return Number.isInteger(tries) ? `${sentence} Tries left: ${tries}.` : sentence;
}

function detail(error) {
  const what = error.extras.param ?? error.extras.validation?.keys?.join(", ") ?? error.message;
  return what ? ` (${what})` : "";
}

function unlisted(error) {
  const number = error.errno ? `error ${error.errno}` : `HTTP status ${error.status}`;
  return `The server refused this step with ${number}${error.message ? `: ${error.message}` : ""}.`;
}

/** A waiting time in words; unknown or silly values count as a minute. */
export function waitInWords(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return "a minute";
  if (seconds < 120) return `${Math.ceil(seconds)} seconds`;
  if (seconds < 7200) return `${Math.ceil(seconds / 60)} minutes`;
  return `${Math.ceil(seconds / 3600)} hours`;
}
