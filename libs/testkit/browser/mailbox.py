"""Reads the capture mailbox of the server under test (accounts contract (i)). Called by firefox_flow.py."""

import json
import urllib.parse
import urllib.request

from wait import wait_until

MAIL_WAIT_SECS = 120


class Mailbox:
    """One mailbox service; mails are asked for by the local part of the address."""

    def __init__(self, url):
        self._url = url.rstrip("/")

    def mails(self, email):
        """All mails to an address, oldest first."""
        local_part = urllib.parse.quote(email.split("@")[0])
        with urllib.request.urlopen(f"{self._url}/mail/{local_part}", timeout=60) as answer:
            return json.load(answer)

    def newest_header(self, email, name, seen=0):
        """The header of the newest mail that has it, once there are more than `seen` mails."""

        def look():
            mails = self.mails(email)
            values = [mail["headers"][name] for mail in mails if name in mail["headers"]]
            return values[-1] if len(mails) > seen and values else None

        # An unreachable mailbox is no reason to give up before the time is over.
        return wait_until(look, f"a mail to {email} with {name}", MAIL_WAIT_SECS, ignore=(OSError, ValueError))
