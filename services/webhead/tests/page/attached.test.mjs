// The list of what is signed in: what a person reads of each entry, and what it is signed out by.

import assert from "node:assert/strict";
import test from "node:test";

import { readClient } from "../../src/page/attached.js";

const NOW = 1e12;
const NOTHING = {
  clientId: null, deviceId: null, sessionTokenId: null, refreshTokenId: null, isCurrentSession: false, deviceType: null,
  name: null, createdTime: NOW, lastAccessTime: NOW, scope: null, location: {}, userAgent: "", os: null,
};

test("each kind of entry, in words and in ids", () => {
  const session = { sessionTokenId: "s" };
  const device = { deviceId: "d", deviceType: "desktop", name: "Laptop" };
  const table = [
    // A session with its device.
    [{ ...session, ...device }, ["Laptop", "desktop, used just now", false, { deviceId: "d", sessionTokenId: "s" }]],
    [{ ...session, userAgent: "Firefox 153" }, ["Firefox 153", "used just now", false, session]],
    [session, ["A session of this page", "used just now", false, session]],
    [{ ...session, ...device, isCurrentSession: true }, ["Laptop", "desktop, used just now, this session", false, null]],
    // The consent to a program, and a token that has outlived its session.
    [{ clientId: "c", name: "Notes app" }, ["Notes app", "program, used just now", true, { clientId: "c" }]],
    [{ clientId: "c", refreshTokenId: "r" }, ["A program", "used just now", false, { clientId: "c", refreshTokenId: "r" }]],
    // What a client has on a device is signed out as that device.
    [{ clientId: "c", refreshTokenId: "r", ...device }, [
      "Laptop", "desktop, used just now", false, { clientId: "c", deviceId: "d", refreshTokenId: "r" },
    ]],
    [{ clientId: "c", ...session, name: "Phone" }, ["Phone", "used just now", false, { clientId: "c", sessionTokenId: "s" }]],
    [{ name: "Nameless in ids", lastAccessTime: null }, ["Nameless in ids", "", false, null]],
  ];
  for (const [client, [title, detail, isProgram, ids]] of table) {
    assert.deepEqual(readClient({ ...NOTHING, ...client }, NOW), { title, detail, isProgram, ids }, JSON.stringify(client));
  }
});
