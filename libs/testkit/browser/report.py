"""What the driver tells its caller: one JSON object a line on stdout, one line a step.

Called by firefox_flow.py. Nothing else may write to stdout, because Rust tests read it line by line.
"""

import json
import shlex
import subprocess
import sys
import time

HOOK_WAIT_SECS = 300


class Report:
    """Prints steps, and stops at each of them for a hook or for the caller's leave to go on."""

    def __init__(self, interactive=False, hook=None):
        self._interactive = interactive
        self._hook = hook
        self._started = time.monotonic()

    def step(self, name, **details):
        """Reports that a step is over. With `interactive`, waits for a line on stdin before the next one begins."""
        self._print({"step": name, **details})
        if self._hook:
            subprocess.run([*shlex.split(self._hook), name], check=True, timeout=HOOK_WAIT_SECS, stdout=sys.stderr)
        if self._interactive and not sys.stdin.readline():
            raise RuntimeError("the caller closed stdin before the flow was over")

    def note(self, **details):
        """Reports something that is no step: never waits."""
        self._print(details)

    def _print(self, line):
        line["elapsed_ms"] = int((time.monotonic() - self._started) * 1000)
        print(json.dumps(line), flush=True)
