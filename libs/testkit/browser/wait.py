"""Waiting on a condition with a bound. Called by everything here; nothing else may sleep."""

import time

PAUSE_SECS = 0.1


class TimedOut(Exception):
    """A condition did not come true in time; the message says which and what was seen last."""


def wait_until(condition, what, timeout_secs, ignore=()):
    """Returns the first true value of `condition()`. Exceptions listed in `ignore` count as "not yet"."""
    limit = time.monotonic() + timeout_secs
    seen = None
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except ignore as error:
            seen = error
        if time.monotonic() > limit:
            raise TimedOut(f"waited {timeout_secs} s for {what}; last seen: {seen!r}")
        time.sleep(PAUSE_SECS)
