// What is signed in to an account, as its list shows it, without a word about screens. Called by settings-screens.js.

import { agoInWords } from "./context.js";

/** What an entry is signed out by: whatever the list has of these. */
const IDS = ["clientId", "deviceId", "sessionTokenId", "refreshTokenId"];

/**
 * An entry of the server's list as it is shown: {title, detail, isProgram, ids}. `ids` is null where there is nothing to
 * sign out by: of the session that asks, which has a way of its own.
 */
export function readClient(client, now) {
  // A refresh token that stands alone is that of a browser. Those of a program go with its consent.
  const isProgram = Boolean(client.clientId) && IDS.every((name) => name === "clientId" || !client[name]);
  const kind = isProgram ? "program" : client.deviceType;
  const used = client.lastAccessTime ? `used ${agoInWords(client.lastAccessTime, now)}` : "";
  const mine = client.isCurrentSession ? "this session" : "";
  return {
    title: client.name || client.userAgent || (client.clientId ? "A program" : "A session of this page"),
    detail: [kind, used, mine].filter(Boolean).join(", "),
    isProgram,
    ids: client.isCurrentSession ? null : idsOf(client),
  };
}

function idsOf(client) {
  const given = IDS.filter((name) => client[name]);
  return given.length === 0 ? null : Object.fromEntries(given.map((name) => [name, client[name]]));
}
