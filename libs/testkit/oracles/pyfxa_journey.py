"""PyFxA, the accounts client that Mozilla's own test suites are built on, against a running server: signs up, signs in with
both password versions, fetches keys, changes the password, forgets it, lets programs in, gives a second factor, and leaves. Arguments: root, mailbox. Each step is a
line of output; whatever is not as it must be is an exception.
"""

import base64
import hmac
import sys
import time
import uuid

import requests
from fxa.core import Client
from fxa.errors import ClientError
from fxa.oauth import Client as Programs
from fxa.profile import Client as Profiles

ROOT, MAILBOX = sys.argv[1:]
BROWSER = "5882386c6d801776"
seen = {}
FIRST, SECOND, THIRD = "first password", "second pässword", "third password"


def new_address():
    return f"pyfxa-{uuid.uuid4().hex[:12]}@example.test"


def mailed(email, header):
    """A header of the newest mail that has it, once there is one that was not seen. Mail may take its time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        mails = requests.get(f"{MAILBOX}/mail/{email.split('@')[0]}", timeout=30).json()
        values = [mail["headers"][header] for mail in mails if header in mail["headers"]]
        if values and values[-1] != seen.get((email, header)):
            seen[email, header] = values[-1]
            return values[-1]
    raise AssertionError(f"no new mail with {header}")


def step(name):
    print(name, flush=True)


def signed_up(client, email, password):
    session = client.create_account(email, password, keys=True)
    session.verify_email_code(mailed(email, "x-verify-code"))
    assert session.get_email_status()["verified"] is True
    return session


def refused(errno, work):
    try:
        work()
    except ClientError as error:
        assert error.errno == errno, error
    else:
        raise AssertionError(f"not refused with {errno}")


def keys_of(client, email, password):
    return client.login(email, password, keys=True).fetch_keys()


def reset(client, email, password):
    """As the library does it: digits of a mail. Those of an earlier mail are good for as long as they were, too."""
    token = client.send_reset_code(email)
    refused(105, lambda: token.verify_code("00000000"))
    mailed(email, "x-password-forgot-otp")
    token.resend_code()
    by = token.verify_code(mailed(email, "x-password-forgot-otp"))
    assert token.email_to_hash_with == email
    client.reset_account(email, by, password)


def journey(version):
    client = Client(ROOT, key_stretch_version=version)
    email = new_address()
    session = signed_up(client, email, FIRST)
    keys = session.fetch_keys()
    assert keys_of(client, email, FIRST) == keys
    refused(103, lambda: client.login(email, SECOND))
    step(f"v{version}-signed-in")

    other = client.login(email, FIRST)
    session.change_password(FIRST, SECOND)
    session.check_session_status()
    refused(110, other.check_session_status)
    refused(103, lambda: client.login(email, FIRST))
    assert keys_of(client, email, SECOND) == keys
    step(f"v{version}-changed")

    reset(client, email, THIRD)
    refused(110, session.check_session_status)
    renewed = keys_of(client, email, THIRD)
    assert renewed[1] != keys[1], "another kB"
    step(f"v{version}-reset")

    client.destroy_account(email, THIRD)
    refused(102, lambda: Client(ROOT).login(email, THIRD))
    signed_up(client, email, FIRST)
    step(f"v{version}-destroyed")


def upgrade():
    """An account of version 1 that signs in with version 2 gets a second verifier by that, and nothing of it ends."""
    email = new_address()
    old, new = Client(ROOT, key_stretch_version=1), Client(ROOT, key_stretch_version=2)
    session = signed_up(old, email, FIRST)
    keys = session.fetch_keys()
    upgraded = new.login(email, FIRST, keys=True)
    assert upgraded.fetch_keys() == keys
    session.check_session_status()
    upgraded.check_session_status()
    status = new.apiclient.post("/account/credentials/status", {"email": email})
    assert status["currentVersion"] == "v2", status
    assert keys_of(old, email, FIRST) == keys and keys_of(new, email, FIRST) == keys
    step("upgraded")


def programs():
    """A browser's client: code, token, what others and the profile say of it, and its end. Devices by the calls themselves."""
    client = Client(ROOT, key_stretch_version=2)
    email = new_address()
    session = signed_up(client, email, FIRST)
    device = {"name": "a laptop", "type": "desktop"}
    client.apiclient.post("/account/device", device, auth=session._auth)
    devices = client.apiclient.get("/account/devices", auth=session._auth)
    assert [device["name"] for device in devices] == ["a laptop"], devices

    oauth = Programs(BROWSER, server_url=ROOT)
    challenge, verifier = oauth.generate_pkce_challenge()
    code = oauth.authorize_code(session, "profile", **challenge)
    token = oauth.trade_code(code, **verifier)["access_token"]
    refused(105, lambda: oauth.trade_code(code, **verifier))
    verified = oauth.verify_token(token, "profile")
    assert (verified["user"], verified["client_id"]) == (session.uid, BROWSER), verified
    told = oauth.apiclient.post("/verify", {"token": token})
    assert told["user"] == session.uid and "profile" in told["scope"], told

    profile = Profiles(ROOT).get_profile(token)
    assert (profile["uid"], profile["email"]) == (session.uid, email), profile
    assert profile["avatar"].startswith(ROOT), profile
    oauth.destroy_token(token)
    client.destroy_account(email, FIRST)
    refused(108, lambda: oauth.apiclient.post("/verify", {"token": token}))
    step("programs")


class Authenticator:
    """RFC 6238 by the standard library. A step is used once, so the next code may be the one of the step to come."""

    def __init__(self, secret):
        self.secret = base64.b32decode(secret)
        self.used = 0

    def code(self):
        self.used = max(self.used + 1, int(time.time()) // 30)
        mac = hmac.digest(self.secret, self.used.to_bytes(8, "big"), "sha1")
        start = mac[-1] & 15
        return f"{(int.from_bytes(mac[start:start + 4], 'big') & 0x7fffffff) % 1000000:06}"


def second_factor():
    """The library sets one up by calls that are not served; it gives one, and asks for one, by ours."""
    client = Client(ROOT, key_stretch_version=2)
    email = new_address()
    session = signed_up(client, email, FIRST)
    keys = session.fetch_keys()
    assert session.totp_exists() is False
    created = client.apiclient.post("/totp/create", {}, auth=session._auth)
    assert session.totp_exists() is True
    authenticator = Authenticator(created["secret"])
    code = authenticator.code()
    assert session.totp_verify(code) is True
    assert session.totp_verify(code) is False, "used"

    half = client.login(email, FIRST, keys=True)
    assert half.verified is False and half.verificationMethod == "totp-2fa", vars(half)
    refused(104, half.fetch_keys)
    refused(138, lambda: half.change_password(FIRST, SECOND))
    assert half.totp_verify(authenticator.code()) is True
    assert half.verified is True and half.fetch_keys() == keys
    half.change_password(FIRST, SECOND)
    renewed = client.login(email, SECOND, keys=True)
    assert renewed.verified is False
    client.destroy_account(email, SECOND)
    step("second-factor")


journey(1)
journey(2)
upgrade()
programs()
second_factor()
