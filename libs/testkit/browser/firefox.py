"""Starts, drives and ends one real Firefox. Called by firefox_flow.py.

The profile is fresh and holds exactly the two preferences a user has to set, beside those which keep a test quiet:
no connection to anybody but the server under test, and logs worth reading. The process is ended by its own pid.
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess

from marionette_driver.errors import JavascriptException, MarionetteException
from marionette_driver.marionette import Marionette

from wait import TimedOut, wait_until

START_WAIT_SECS = 180
STOP_WAIT_SECS = 20
TAB_WAIT_SECS = 180
SCRIPT_WAIT_MS = 120_000
LOG_TAIL_BYTES = 6_000

# Keeps a test quiet. Firefox adds more of the kind by itself as soon as it is driven from outside.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "termsofuse.bypassNotification": True,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
}

# The scheduler would sync by itself whenever it likes; the flow asks for each sync after the first.
LOGS = {
    "identity.fxaccounts.log.appender.dump": "Debug",
    "identity.fxaccounts.loglevel": "Debug",
    "services.sync.log.appender.file.logOnSuccess": True,
    "services.sync.log.logger": "Debug",
    "services.sync.log.logger.engine": "Debug",
    "marionette.port": 0,
}


class Firefox:
    """A running headless Firefox with a profile of its own below `work`."""

    def __init__(self, name, root, work, binary="firefox-esr"):
        self.name = name
        self.profile = pathlib.Path(work, name)
        self._log_path = pathlib.Path(work, f"{name}.log")
        self._process = None
        self.marionette = None
        shutil.rmtree(self.profile, ignore_errors=True)
        self.profile.mkdir(parents=True)
        self._write_preferences(root)
        self._start(binary)

    def _write_preferences(self, root):
        preferences = {
            "identity.fxaccounts.autoconfig.uri": root,
            "identity.fxaccounts.allowHttp": True,
            **QUIET,
            **LOGS,
        }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        (self.profile / "user.js").write_text("".join(lines), encoding="utf-8")

    def _start(self, binary):
        # Without system access Marionette refuses scripts in the browser's own context.
        driven = ["--marionette", "--remote-allow-system-access"]
        command = [binary, "--headless", "--no-remote", *driven, "--profile", str(self.profile), "about:blank"]
        environment = {**os.environ, "MOZ_CRASHREPORTER_DISABLE": "1", "HOME": str(self.profile)}
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=_end_with_driver,
            )
        try:
            port = wait_until(self._port, f"{self.name} to open its port", START_WAIT_SECS)
            self.marionette = Marionette(host="127.0.0.1", port=port, socket_timeout=SCRIPT_WAIT_MS / 1000 + 30)
            self.marionette.start_session()
            self.marionette.timeout.script = SCRIPT_WAIT_MS / 1000
        except BaseException:
            self.close()
            raise

    def _port(self):
        if self._process.poll() is not None:
            raise TimedOut(f"{self.name} ended at once with {self._process.returncode}:\n{self.log_tail()}")
        place = self.profile / "MarionetteActivePort"
        text = place.read_text() if place.exists() else ""
        return int(text) if text.strip() else None

    def chrome(self, body, *arguments):
        """Runs an async function body in the browser's own context and returns what it returns."""
        with self.marionette.using_context("chrome"):
            return self.marionette.execute_script(
                f"return (async (...args) => {{ {body} }})(...arguments);", script_args=arguments
            )

    def content(self, body, *arguments):
        """Runs an async function body in the page of the current tab."""
        with self.marionette.using_context("content"):
            return self.marionette.execute_script(
                f"return (async (...args) => {{ {body} }})(...arguments);", script_args=arguments
            )

    def switch_to_tab(self, url_start):
        """Makes the tab whose address begins so the current one, as soon as there is one."""

        def find():
            for handle in self.marionette.window_handles:
                self.marionette.switch_to_window(handle)
                if self.marionette.get_url().startswith(url_start):
                    return handle
            return None

        return wait_until(find, f"a tab at {url_start}", TAB_WAIT_SECS, ignore=(MarionetteException,))

    def close(self):
        """Ends this Firefox: first by asking, then by its process group. Never leaves it behind."""
        if self.marionette is not None:
            try:
                self.marionette._send_message("Marionette:Quit", {"flags": ["eForceQuit"]})
            except (MarionetteException, JavascriptException, OSError):
                pass
            self.marionette = None
        try:
            self._process.wait(STOP_WAIT_SECS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_WAIT_SECS)

    def log_tail(self):
        """The end of what Firefox wrote to its output and to about:sync-log."""
        parts = [_tail(self._log_path)]
        parts += [_tail(log) for log in sorted(self.profile.glob("weave/logs/*.txt"))[-3:]]
        return "\n".join(parts)


def _end_with_driver():
    """A killed driver must not leave a browser behind: asks Linux (PR_SET_PDEATHSIG is 1) to end it as well."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _tail(path):
    if not path.exists():
        return f"--- {path.name}: not there"
    text = path.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    return f"--- {path.name}\n{text}"
