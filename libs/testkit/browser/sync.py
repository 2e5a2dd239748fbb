"""Looks into Firefox Sync from the browser's own context: waits for syncs, makes and finds bookmarks.

Called by firefox_flow.py. Waits on what Sync itself reports (its observer notices and its status), never on time.
"""

import time

from marionette_driver.errors import MarionetteException

from wait import wait_until

SYNC_WAIT_SECS = 300
# A person does not press "Sync now" again in the same second either.
RETRY_SECS = 2

WATCH = """
  if (!window.foxholdSyncWatch) {
    const watch = { finished: 0, errors: [] };
    watch.observe = (subject, topic, data) => {
      if (topic === "weave:service:sync:finish") watch.finished += 1;
      else watch.errors.push(`${topic} ${data ?? ""}`);
    };
    for (const topic of ["weave:service:sync:finish", "weave:service:sync:error", "weave:service:login:error",
                         "weave:engine:sync:error"]) {
      Services.obs.addObserver(watch, topic);
    }
    window.foxholdSyncWatch = watch;
  }
"""

STATUS = """
  const { Weave } = ChromeUtils.importESModule("resource://services-sync/main.sys.mjs");
  const { finished, errors } = window.foxholdSyncWatch;
  return { finished, errors: [...errors], service: Weave.Status.service, sync: Weave.Status.sync,
           login: Weave.Status.login, locked: Weave.Service.locked, node: Weave.Service.clusterURL };
"""

# Reads what Sync itself keeps about a bookmark: status 2 is "known to the server", the counter says "changed since".
BOOKMARK = """
  const { PlacesUtils } = ChromeUtils.importESModule("resource://gre/modules/PlacesUtils.sys.mjs");
  const db = await PlacesUtils.promiseDBConnection();
  const rows = await db.execute(
    `SELECT b.title AS title, b.syncStatus AS status, b.syncChangeCounter AS changes
     FROM moz_bookmarks b JOIN moz_places p ON p.id = b.fk WHERE p.url = :url`, { url: args[0] });
  if (!rows.length) return null;
  const [row] = rows;
  return { title: row.getResultByName("title"), uploaded: row.getResultByName("status") === 2 &&
           row.getResultByName("changes") === 0 };
"""

INSERT = """
  const { PlacesUtils } = ChromeUtils.importESModule("resource://gre/modules/PlacesUtils.sys.mjs");
  const [url, title] = args;
  await PlacesUtils.bookmarks.insert({ parentGuid: PlacesUtils.bookmarks.menuGuid, url, title });
"""

# Not awaited: a refused sync reports itself through the observers.
START_SYNC = """
  const { Weave } = ChromeUtils.importESModule("resource://services-sync/main.sys.mjs");
  if (!Weave.Service.locked) Weave.Service.sync({ why: "user" }).catch(() => {});
"""


class SyncFailed(Exception):
    """Sync reported an error; the message is its status."""


class Sync:
    """Sync in one Firefox. Made before a sign-in, so that the sync which follows is not missed."""

    def __init__(self, firefox):
        self._firefox = firefox
        firefox.chrome(WATCH)
        self._before_sign_in = self.status()

    def status(self):
        return self._firefox.chrome(STATUS)

    def wait_for_first_sync(self, tries=0):
        """Waits for the sync Firefox starts by itself after the sign-in; `tries` failures of it are put up with."""
        return self._wait_for_finish(self._before_sign_in, tries)

    def sync(self, tries=0):
        """Asks for a sync and waits until it has finished well."""
        before = self.status()
        self._firefox.chrome(START_SYNC)
        return self._wait_for_finish(before, tries)

    def add_bookmark(self, url, title):
        self._firefox.chrome(INSERT, url, title)

    def upload_bookmark(self, url, tries=0):
        """Syncs until the server is known to have the bookmark: a sync under way may have begun before it existed."""
        return self._sync_until(lambda: (self.bookmark(url) or {}).get("uploaded"), f"{url} to be uploaded", tries)

    def wait_for_bookmark(self, url, tries=0):
        """Syncs until the bookmark is here and returns it."""
        self._sync_until(lambda: self.bookmark(url) is not None, f"{url} to arrive", tries)
        return self.bookmark(url)

    def bookmark(self, url):
        """{title, uploaded} of a bookmark, or None."""
        return self._firefox.chrome(BOOKMARK, url)

    def _sync_until(self, condition, what, tries):
        for _ in range(4):
            if condition():
                return
            self.sync(tries)
        if not condition():
            raise SyncFailed(f"four syncs without {what}: {self.status()}")

    def _wait_for_finish(self, before, tries):
        failures_seen = len(before["errors"])
        next_start = None

        def look():
            nonlocal failures_seen, next_start, tries
            status = self.status()
            if len(status["errors"]) > failures_seen:
                failures_seen = len(status["errors"])
                next_start = time.monotonic() + RETRY_SECS
                tries -= 1
                if tries < 0:
                    raise SyncFailed(f"sync failed: {status}")
            if status["locked"]:
                return None
            if status["finished"] > before["finished"] and status["service"] == "success.status_ok":
                return status
            if next_start is not None and time.monotonic() > next_start:
                next_start = None
                self._firefox.chrome(START_SYNC)
            return None

        return wait_until(look, "sync to finish well", SYNC_WAIT_SECS, ignore=(MarionetteException,))
