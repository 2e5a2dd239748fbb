#!/usr/bin/env python3
"""Drives real, headless Firefox against a running Foxhold. Called by the Rust tests of the test bench, and by hand:

    python firefox_flow.py --root http://localhost:8000 --mailbox http://127.0.0.1:8001 --work DIR journey

Scripts: journey (sign-up by code, first sync, a bookmark, a second profile that gets it), again (settings, sign-out
and a second sign-in in the same profile), link (confirmation through
the mail's link in another tab), refusals (what the page says to wrong input), web (sign-up, list and sign-out without
Firefox's own sign-in), program (another program that signs its user in), passwords (a password that is changed, and one
that is forgotten), recovery (a forgotten password with a recovery key: what was synced stays), factor (a second factor
that is set up, asked for and taken away), confirm (a sign-in that is confirmed by the digits of its mail, on a server that
asks for them), leave (another session signed out, then the account deleted), vectors (known
answers through the page's WebAssembly worker).

Prints one JSON object a line for each step on stdout, everything else on stderr. Exit code 0 when all of it held.
With --interactive it waits after each step for a line on stdin; with --step-hook it runs a command with the step's
name. With --patient N up to N failures of the page and of Sync are answered by trying again, as a person would.
"""

import argparse
import base64
import contextlib
import hmac
import json
import pathlib
import signal
import sys
import time
import traceback
import uuid
from urllib.parse import urlencode

from callback import Callback
from firefox import Firefox
from mailbox import Mailbox
from page import SignInPage, sign_in_patiently
from report import Report
from sync import Sync
from wait import wait_until

PASSWORD = "correct horse battery"
BOOKMARK_URL = "https://bookmark.example.test/{}"


class Flow:
    """The scripts, and what they share: the options, the report, the open Firefox."""

    def __init__(self, options):
        self.options = options
        self.report = Report(options.interactive, options.step_hook)
        self.mailbox = Mailbox(options.mailbox) if options.mailbox else None
        self.email = options.email or f"fox-{uuid.uuid4().hex[:12]}@example.test"
        self.password = options.password
        self.code_header = "x-verify-short-code"
        self.open_firefox = None

    @contextlib.contextmanager
    def firefox(self, name):
        """One Firefox with a fresh profile; never two at a time. After a failure its log goes to stderr."""
        self.open_firefox = Firefox(name, self.options.root, self.options.work, self.options.firefox)
        self.report.step("firefox-started", profile=name)
        try:
            yield self.open_firefox
        except BaseException:
            print(self.open_firefox.log_tail(), file=sys.stderr)
            raise
        finally:
            self.open_firefox.close()

    def open_from_menu(self, firefox):
        """Opens the page the way Firefox's own menu does: Firefox reads our configuration and begins a flow."""
        firefox.chrome('await window.gSync.openFxAEmailFirstPage("fxa_app_menu");')
        firefox.switch_to_tab(f"{self.options.root}/?")
        page = SignInPage(firefox)
        page.wait_for("email", "signin", "signup")
        return page

    def open_plainly(self, firefox, path):
        firefox.marionette.navigate(f"{self.options.root}{path}")
        return SignInPage(firefox)

    def code(self):
        return self.mailbox.newest_header(self.email, self.code_header)

    # --- scripts ---------------------------------------------------------------------------------------------------

    def journey(self):
        """Two profiles, one account: the bookmark of the first arrives in the second."""
        url = BOOKMARK_URL.format(uuid.uuid4().hex)
        title = "Kept by Foxhold – ünïcödé"
        with self.firefox("first") as firefox:
            sync = self.sign_in(firefox, "signed-up")
            sync.add_bookmark(url, title)
            self.report.step("bookmark-made", url=url)
            sync.upload_bookmark(url, self.options.patient)
            self.report.step("bookmark-uploaded", **sync.status())
        with self.firefox("second") as firefox:
            sync = self.sign_in(firefox, "signed-in")
            bookmark = sync.wait_for_bookmark(url, self.options.patient)
            assert bookmark["title"] == title, f"the bookmark arrived changed: {bookmark}"
            self.report.step("bookmark-arrived", url=url, title=bookmark["title"])

    def sign_in(self, firefox, step, before_password=lambda: None):
        """Signs up or in, whatever the page asks for, up to the end of the first sync."""
        sync = Sync(firefox)
        page = self.open_from_menu(firefox)
        before_password()
        way = sign_in_patiently(
            page,
            self.email,
            self.password,
            self.code,
            self.options.patient,
            lambda screen: self.report.step("screen", screen=screen),
        )
        self.report.step(step, email=self.email, screens=way)
        self.report.step("first-sync-finished", **sync.wait_for_first_sync(self.options.patient))
        return sync

    def again(self):
        """Settings opened from Firefox, sign-out there, and a second sign-in after Firefox has lost its flow."""
        with self.firefox("again") as firefox:
            self.sign_in(firefox, "signed-up")
            firefox.marionette.navigate(firefox.chrome(MANAGE_URL))
            page = SignInPage(firefox)
            page.wait_for("settings")
            assert page.text("account-email") == self.email, f"settings show {page.text('account-email')}"
            page.submit("notice")
            wait_until(lambda: firefox.chrome(SIGNED_IN_EMAIL) is None, "Firefox to be signed out", 180)
            self.report.step("signed-out")
            self.sign_in(firefox, "signed-in-again", before_password=lambda: firefox.chrome(FORGET_FLOWS))
            assert firefox.chrome(SIGNED_IN_EMAIL) == self.email, "Firefox is not signed in again"

    def link(self):
        """The mail's link, opened in another tab, lets the waiting tab go on by itself."""
        with self.firefox("link") as firefox:
            sync = Sync(firefox)
            page = self.open_from_menu(firefox)
            first_tab = firefox.marionette.current_window_handle
            page.type_into("email", self.email)
            page.submit("signup")
            page.type_into("password", self.password)
            page.submit("code")
            link = self.mailbox.newest_header(self.email, "x-link")
            assert link.startswith(f"{self.options.root}/verify_email?"), f"the mail's link leads elsewhere: {link}"
            self.follow_in_new_tab(firefox, link)
            firefox.marionette.switch_to_window(first_tab)
            page.wait_for("done")
            self.report.step("link-confirmed", **sync.wait_for_first_sync())

    def follow_in_new_tab(self, firefox, link):
        tab = firefox.marionette.open(type="tab", focus=True)["handle"]
        firefox.marionette.switch_to_window(tab)
        firefox.marionette.navigate(link)
        page = SignInPage(firefox)
        page.wait_for("notice")
        self.heading_is(firefox, "Your address is confirmed")
        firefox.marionette.close()

    def refusals(self):
        """What the page says to wrong input, and that it goes on afterwards."""
        with self.firefox("refusals") as firefox:
            page = self.open_from_menu(firefox)
            self.refused(page, "email", "not an address", "does not look like an e-mail address")
            page.type_into("email", self.email)
            page.submit("signup")
            self.refused(page, "password", "short", "at least 8 characters")
            page.type_into("password", self.password)
            page.submit("code")
            self.refused(page, "code", "12", "6 digits")
            code = self.code()
            self.refused(page, "code", f"{(int(code) + 1) % 1_000_000:06}", "code is wrong")
            page.type_into("code", f"{code[:3]} {code[3:]}")
            page.submit("done")
            self.report.step("sign-up-refusals-held")
        with self.firefox("refusals-again") as firefox:
            page = self.open_from_menu(firefox)
            page.type_into("email", self.email.upper())
            page.submit("signin")
            self.refused(page, "password", "wrong horse battery", "password is wrong")
            page.type_into("password", self.password)
            page.submit("done")
            self.report.step("sign-in-refusals-held")

    def refused(self, page, field, text, expected):
        page.type_into(field, text)
        said = page.submit_expecting_refusal()
        assert expected in said, f"{text!r} in #{field} was answered with: {said}"
        self.report.note(refused=field, said=said)

    def web(self):
        """Without Firefox's own sign-in: the preferences to set, sign-up, the list of clients, sign-out."""
        with self.firefox("web") as firefox:
            page = self.open_plainly(firefox, "/")
            page.wait_for("start")
            assert page.text("pref-root") == self.options.root, "the page shows another root to set"
            page.submit("email")
            page.type_into("email", self.email)
            page.submit("signup")
            page.type_into("password", self.password)
            page.submit("code")
            page.type_into("code", self.code())
            page.submit("settings")
            clients = firefox.content("return document.querySelectorAll('#clients li').length;")
            assert page.text("account-email") == self.email and clients >= 1, f"{clients} clients are listed"
            self.nothing_secret_kept(firefox)
            page.submit("notice")
            self.open_plainly(firefox, "/pair").wait_for("notice")
            self.open_plainly(firefox, "/no/such/page").wait_for("start")
            self.report.step("web-held")

    def program(self):
        """Another program sends the browser here: sign-up and consent, a second time without a word, a password again, a
        user who declines, one who signs out."""
        with Callback() as callback, self.firefox("program") as firefox:
            page = self.sent(firefox, callback, nonce="n1")
            page.wait_for("email")
            page.type_into("email", self.email)
            page.submit("signup")
            page.type_into("password", self.password)
            page.submit("code")
            page.type_into("code", self.code())
            page.submit("consent")
            assert page.text("client-name") == "Notes app" and page.text("client-host") == callback.host
            assert "who you are" in page.text("scopes") and page.text("account-email") == self.email
            self.nothing_secret_kept(firefox)
            page.click("decline")
            assert callback.next()["error"] == ["access_denied"]
            self.report.step("declined")

            page = self.sent(firefox, callback)
            page.wait_for("consent")
            page.click("submit")
            given = callback.next()
            assert given["state"] == ["st 1"] and given["iss"] == [self.options.root] and len(given["code"][0]) == 64, given
            self.sent(firefox, callback)
            assert "code" in callback.next(), "asked once"
            self.sent(firefox, callback, prompt="none")
            assert "code" in callback.next(), "nobody has to be asked"
            self.sent(firefox, callback, response_mode="form_post")
            assert "code" in callback.next("POST"), "by a form"
            self.report.step("agreed")

            page = self.sent(firefox, callback, prompt="login")
            page.wait_for("again")
            self.refused(page, "password", "wrong horse battery", "password is wrong")
            page.type_into("password", self.password)
            page.click("submit")
            assert "code" in callback.next()
            self.report.step("password-again")

            back = urlencode({"client_id": self.options.client, "post_logout_redirect_uri": f"{callback.url}"})
            page = self.open_plainly(firefox, f"/oauth/logout?{back}&state=bye")
            page.wait_for("logout")
            page.click("submit")
            assert callback.next()["state"] == ["bye"]
            self.sent(firefox, callback, prompt="none")
            assert callback.next()["error"] == ["login_required"]
            self.report.step("signed-out")

    def sent(self, firefox, callback, **more):
        """The browser, as the program sends it; it may be back already."""
        query = {
            "response_type": "code",
            "client_id": self.options.client,
            "redirect_uri": callback.url,
            "scope": "openid email",
            "state": "st 1",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        return self.open_plainly(firefox, f"/authorization?{urlencode(query | more)}")

    def passwords(self):
        """A password changed in the settings leaves this Firefox signed in; a forgotten one is set by the mail's link."""
        changed, remembered = "battery staple horse", "horse battery correct"
        with self.firefox("changed") as firefox:
            sync = self.sign_in(firefox, "signed-up")
            page = self.open_plainly(firefox, "/settings")
            page.wait_for("settings")
            page.click("change-password")
            page.wait_for("password")
            page.type_into("password", changed)
            self.refused(page, "old-password", "wrong horse battery", "password is wrong")
            page.type_into("old-password", self.password)
            page.submit("notice")
            self.heading_is(firefox, "Your password is changed")
            self.password = changed
            url = BOOKMARK_URL.format(uuid.uuid4().hex)
            sync.add_bookmark(url, "After the change")
            sync.upload_bookmark(url, self.options.patient)
            self.report.step("changed", **sync.status())
        with self.firefox("forgotten") as firefox:
            page = self.open_from_menu(firefox)
            page.type_into("email", self.email)
            page.submit("signin")
            page.click("forgot")
            page.wait_for("forgot")
            page.submit("notice")
            self.heading_is(firefox, "Look at your mail")
            self.mailbox.newest_header(self.email, "x-recovery-code")
            link = self.link_of("recovery")
            firefox.marionette.navigate(link)
            page.wait_for("reset")
            shown = firefox.content("return location.href;")
            assert "code" not in shown, f"the link stays in sight: {shown}"
            self.refused(page, "password", "short", "at least 8 characters")
            page.type_into("password", remembered)
            page.submit("notice")
            self.heading_is(firefox, "Your password is set")
            self.open_plainly(firefox, "/").wait_for("start")
            firefox.marionette.navigate(link)
            page.wait_for("reset")
            page.type_into("password", changed)
            page.submit("notice")
            self.heading_is(firefox, "This link does not work")
            self.password = remembered
            self.sign_in(firefox, "signed-in-again")
            self.report.step("reset")

    def recovery(self):
        """A recovery key made in one Firefox, and a password forgotten in another: the bookmark is still there."""
        url = BOOKMARK_URL.format(uuid.uuid4().hex)
        with self.firefox("keeps") as firefox:
            sync = self.sign_in(firefox, "signed-up")
            sync.add_bookmark(url, "Kept by the recovery key")
            sync.upload_bookmark(url, self.options.patient)
            page = self.open_plainly(firefox, "/settings")
            page.wait_for("settings")
            page.click("recovery-key")
            page.wait_for("recovery-key")
            self.refused(page, "password", "wrong horse battery", "password is wrong")
            page.type_into("password", self.password)
            page.submit("recovery-key-new")
            key = page.text("new-recovery-key")
            self.refused(page, "typed-recovery-key", "A" * 32, "not the account’s recovery key")
            page.type_into("typed-recovery-key", key.lower().replace(" ", "-"))
            page.submit("notice")
            self.heading_is(firefox, "Your recovery key is set")
            self.report.step("recovery-key-made")
        with self.firefox("forgets") as firefox:
            page = self.open_from_menu(firefox)
            page.type_into("email", self.email)
            page.submit("signin")
            page.click("forgot")
            page.wait_for("forgot")
            page.submit("notice")
            self.mailbox.newest_header(self.email, "x-recovery-code")
            firefox.marionette.navigate(self.link_of("recovery"))
            page.wait_for("reset")
            self.password = "battery staple horse"
            page.type_into("password", self.password)
            self.refused(page, "recovery-key", "A" * 32, "not the account’s recovery key")
            page.type_into("recovery-key", key)
            page.submit("notice")
            self.heading_is(firefox, "Your password is set")
            sync = self.sign_in(firefox, "signed-in-again")
            bookmark = sync.wait_for_bookmark(url, self.options.patient)
            assert bookmark["title"] == "Kept by the recovery key", f"the bookmark arrived changed: {bookmark}"
            self.report.step("bookmark-kept")

    def factor(self):
        """A second factor set up in the settings, asked for at the next sign-in and after a reset, and taken away."""
        with self.firefox("factor") as firefox:
            page = self.open_plainly(firefox, "/signin")
            self.enter(page, "signup", "code")
            page.type_into("code", self.code())
            page.submit("settings")
            page.click("second-factor")
            page.wait_for("totp")
            secret = page.text("totp-secret")
            self.refused(page, "code", "12", "not right")
            page.type_into("code", totp(secret))
            page.submit("backup-codes")
            codes = page.text("backup-codes").split()
            assert len(codes) == 8, f"{len(codes)} backup codes"
            page.submit("settings")
            page.submit("notice")
            self.report.step("set-up")

            page = self.open_plainly(firefox, "/signin")
            self.enter(page, "signin", "second-factor")
            self.refused(page, "code", "00000-00000", "not right")
            page.type_into("code", codes[0])
            page.submit("settings")
            page.submit("notice")
            self.report.step("backup-code")

            page = self.open_plainly(firefox, "/reset_password")
            page.wait_for("forgot")
            page.type_into("email", self.email)
            page.submit("notice")
            self.mailbox.newest_header(self.email, "x-recovery-code")
            firefox.marionette.navigate(self.link_of("recovery"))
            page.wait_for("reset")
            page.type_into("password", "battery staple horse")
            page.submit("second-factor")
            page.type_into("code", codes[1])
            page.submit("settings")
            self.report.step("after-reset")

            page.click("second-factor")
            page.wait_for("totp-off")
            page.click("new-backup-codes")
            page.wait_for("backup-codes")
            renewed = page.text("backup-codes").split()
            assert len(renewed) == 8 and not set(renewed) & set(codes), "eight others"
            page.submit("settings")
            page.click("second-factor")
            page.wait_for("totp-off")
            page.submit("notice")
            self.heading_is(firefox, "The second factor is off")
            self.report.step("taken-away")

    def confirm(self):
        """A sign-in from Firefox waits for the digits that were mailed for it; then it gets its keys, and syncs."""
        with self.firefox("confirm") as firefox:
            page = self.open_plainly(firefox, "/signin")
            self.enter(page, "signup", "code")
            of_address = self.code()
            page.type_into("code", of_address)
            page.submit("settings")
            page.submit("notice")
            page = self.open_plainly(firefox, "/signin")
            self.enter(page, "signin", "code")
            self.refused(page, "code", of_address, "is wrong")
            self.code_header = "x-signin-verify-code"
            page.type_into("code", self.code())
            page.submit("settings")
            page.submit("notice")
            self.report.step("confirmed-here")
            self.sign_in(firefox, "confirmed-in-firefox")

    def leave(self):
        """Another session signed out in the settings, and the account deleted: this Firefox is signed out with it."""
        with self.firefox("leave") as firefox:
            page = self.open_plainly(firefox, "/signin")
            self.enter(page, "signup", "code")
            page.type_into("code", self.code())
            page.submit("settings")
            assert self.others(firefox) == [], "the own session has no button"
            self.sign_in(firefox, "signed-in")
            page = self.open_plainly(firefox, "/settings")
            page.wait_for("settings")
            [button] = self.others(firefox)
            assert button.startswith("Sign out "), f"the button says: {button}"
            page.click_first("#clients button")
            page.wait_for("sign-out")
            assert page.text("client-name") == button.removeprefix("Sign out "), "the question is about another one"
            page.click("decline")
            page.wait_for("settings")
            assert self.others(firefox) == [button], "nobody was signed out"
            page.click_first("#clients button")
            page.wait_for("sign-out")
            page.submit("settings")
            assert page.status()[1].startswith("Signed out: "), f"the page says: {page.status()}"
            assert self.others(firefox) == [], "the other session is still listed"
            assert firefox.chrome(SIGNED_IN_EMAIL) == self.email, "the own one was signed out"
            self.report.step("other-signed-out")

            page.click("delete-account")
            page.wait_for("delete")
            self.refused(page, "password", "wrong horse battery", "password is wrong")
            page.type_into("password", self.password)
            page.submit("notice")
            self.heading_is(firefox, "Your account is deleted")
            wait_until(lambda: firefox.chrome(SIGNED_IN_EMAIL) is None, "Firefox to be signed out", 180)
            kept = firefox.content("return localStorage.length;")
            assert kept == 0, f"the page keeps {kept} things"
            # The address is nobody's again.
            self.enter(self.open_plainly(firefox, "/signin"), "signup", "code")
            self.report.step("account-deleted")

    def others(self, firefox):
        """What the buttons beside the list of clients say."""
        return firefox.content("return [...document.querySelectorAll('#clients button')].map((b) => b.textContent);")

    def enter(self, page, screen, expected):
        """Address and password, up to the screen that comes then."""
        page.wait_for("email")
        page.type_into("email", self.email)
        page.submit(screen)
        page.type_into("password", self.password)
        page.submit(expected)

    def link_of(self, template):
        mails = [mail["headers"] for mail in self.mailbox.mails(self.email)]
        return [headers["x-link"] for headers in mails if headers["x-template-name"] == template][-1]

    def heading_is(self, firefox, expected):
        heading = firefox.content("return document.querySelector('h1').textContent;")
        assert heading == expected, f"the page says: {heading}"

    def nothing_secret_kept(self, firefox):
        """The page may keep who is signed in, and nothing else."""
        kept = firefox.content("return [Object.entries(localStorage), Object.entries(sessionStorage)];")
        [[place, value]] = kept[0]
        assert place == "foxhold.session" and not kept[1], f"the page keeps more than its session: {kept}"
        assert sorted(json.loads(value)) == ["email", "sessionToken", "uid"], f"the page keeps: {value}"

    def vectors(self):
        """Every known answer, through the worker the page itself uses, under the page's own policy."""
        cases = json.loads(pathlib.Path(self.options.vectors).read_text(encoding="utf-8"))
        with self.firefox("vectors") as firefox:
            page = self.open_plainly(firefox, "/")
            page.wait_for("start", "email", "settings")
            for case in cases:
                got = firefox.content(RUN_IN_WORKER, case["input"])
                assert got == case["output"], f"{case['name']}: got {got}, expected {case['output']}"
            self.report.step("vectors-held", vectors=len(cases))


def totp(secret):
    """What an authenticator shows now for a secret in base32 (RFC 6238, SHA-1, 6 digits, 30 s)."""
    key = base64.b32decode(secret.replace(" ", ""))
    digest = hmac.digest(key, int(time.time() // 30).to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


SIGNED_IN_EMAIL = """
  const { getFxAccountsSingleton } = ChromeUtils.importESModule("resource://gre/modules/FxAccounts.sys.mjs");
  return (await getFxAccountsSingleton().getSignedInUser())?.email ?? null;
"""

MANAGE_URL = """
  const { FxAccounts } = ChromeUtils.importESModule("resource://gre/modules/FxAccounts.sys.mjs");
  return FxAccounts.config.promiseManageURI("fxa_app_menu");
"""

# What a restart does: state, verifier and key of a flow live in the browser's memory only.
FORGET_FLOWS = """
  const { getFxAccountsSingleton } = ChromeUtils.importESModule("resource://gre/modules/FxAccounts.sys.mjs");
  getFxAccountsSingleton()._internal.oauth.clearAllFlows();
"""

RUN_IN_WORKER = """
  const worker = new Worker("/page/crypto-worker.js");
  try {
    const answer = new Promise((resolve, reject) => {
      worker.addEventListener("message", (event) => resolve(event.data));
      worker.addEventListener("error", (event) => reject(new Error(event.message || "the worker did not start")));
    });
    worker.postMessage({ id: 1, order: args[0] });
    const { result, error } = await answer;
    return error === undefined ? result : { error };
  } finally {
    worker.terminate();
  }
"""

SCRIPTS = ["journey", "again", "link", "refusals", "web", "program", "passwords", "recovery", "factor", "confirm", "leave", "vectors"]


def main():
    parser = argparse.ArgumentParser(description="Drives real Firefox against a running Foxhold.")
    parser.add_argument("script", choices=SCRIPTS)
    parser.add_argument("--root", required=True, help="public URL of the server, without trailing slash")
    parser.add_argument("--mailbox", help="base URL of the capture mailbox")
    parser.add_argument("--work", required=True, help="folder for profiles and logs")
    parser.add_argument("--firefox", default="firefox-esr", help="the Firefox to run")
    parser.add_argument("--email", help="address to use; a fresh one by default")
    parser.add_argument("--password", default=PASSWORD)
    parser.add_argument("--client", help="id of the public client for the script program")
    parser.add_argument("--vectors", help="vectors file for the script of that name")
    parser.add_argument("--patient", type=int, default=0, metavar="N", help="put up with N failures by trying again")
    parser.add_argument("--interactive", action="store_true", help="wait for a line on stdin after each step")
    parser.add_argument("--step-hook", help="command to run after each step, with the step's name")
    options = parser.parse_args()
    options.root = options.root.rstrip("/")
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    flow = Flow(options)
    # An ordinary end, so that the open Firefox is closed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        getattr(flow, options.script)()
    except Exception as error:
        traceback.print_exc()
        flow.report.note(failed=options.script, error=str(error))
        return 1
    flow.report.note(passed=options.script)
    return 0


if __name__ == "__main__":
    sys.exit(main())
