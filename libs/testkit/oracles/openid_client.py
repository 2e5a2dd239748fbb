"""Authlib, a client library for OpenID Connect, against a running server: it is given the discovery URL and what
`foxhold client create` printed, and nothing else. PyFxA plays the page: it signs the user in by the accounts calls and asks
for the code. Arguments: root, mailbox, id and secret of a confidential client, id of a public one. Each step is a line of
output; whatever is not as it must be is an exception.
"""

import base64
import hmac
import struct
import sys
import time
import uuid
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken, UserInfo
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from fxa.core import Client
from fxa.errors import ClientError
from joserfc import jwt
from joserfc.jwk import KeySet

ROOT, MAILBOX, CONFIDENTIAL, SECRET, PUBLIC = sys.argv[1:]
CALLBACK = "https://wiki.example.test/callback?from=foxhold"
APP_CALLBACK = "http://127.0.0.1:45678/callback"
PASSWORD = "a password"


def step(name):
    print(name, flush=True)


def discovered():
    metadata = OpenIDProviderMetadata(requests.get(get_well_known_url(ROOT, external=True), timeout=30).json())
    # The library's own rules; that of https is not for a server on this machine.
    for name in sorted(OpenIDProviderMetadata.REGISTRY_KEYS):
        if name in metadata and not str(metadata[name]).startswith("http"):
            getattr(metadata, f"validate_{name}")()
    assert metadata["issuer"] == ROOT, metadata
    return metadata


META = discovered()


def mailed(email, header):
    mails = requests.get(f"{MAILBOX}/mail/{email.split('@')[0]}", timeout=30).json()
    return [mail["headers"][header] for mail in mails if header in mail["headers"]][-1]


class Page:
    """What the sign-in page does, without its looks."""

    def __init__(self):
        self.email = f"openid-{uuid.uuid4().hex[:12]}@example.test"
        self.client = Client(ROOT, key_stretch_version=1)
        self.session = self.client.create_account(self.email, PASSWORD)

    def verify(self):
        self.session.verify_email_code(mailed(self.email, "x-verify-code"))

    def answer(self, address, consent):
        """Where the browser is sent, for a user who says that to what is asked."""
        served = requests.get(address, headers={"Accept": "text/html"}, allow_redirects=False, timeout=30)
        assert served.status_code == 200 and "text/html" in served.headers["Content-Type"], served
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if "max_age" in asked:
            asked["max_age"] = int(asked["max_age"])
        body = asked | {"consent": consent}
        return self.session.apiclient.post("/oauth/authorization", body, auth=self.session._auth)


def refused(errno, work):
    try:
        work()
    except ClientError as error:
        assert error.errno == errno, error
    else:
        raise AssertionError(f"not refused with {errno}")


def denied(name, work):
    try:
        work()
    except OAuthError as error:
        assert error.error == name, error
    else:
        raise AssertionError(f"not refused with {name}")


def checked(token, client, nonce, acr="AAL1"):
    """The ID token by the library's rules, under the published keys."""
    keys = KeySet.import_key_set(requests.get(META["jwks_uri"], timeout=30).json())
    decoded = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    assert decoded.header["typ"] == "JWT", decoded.header
    options = {"iss": {"value": META["issuer"]}, "aud": {"value": client}}
    params = {"client_id": client, "nonce": nonce, "access_token": token["access_token"]}
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate(now=int(time.time()), leeway=0)
    assert claims["exp"] - claims["iat"] == 300 and claims["auth_time"] <= claims["iat"], claims
    assert claims["at_hash"] and claims["acr"] == acr and "pwd" in claims["amr"], claims
    return claims


def begun(method, client, secret, callback, scope, **more):
    app = OAuth2Session(
        client,
        secret,
        scope=scope,
        redirect_uri=callback,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    nonce, verifier = generate_token(20), generate_token(48)
    address, state = app.create_authorization_url(
        META["authorization_endpoint"], nonce=nonce, code_verifier=verifier, **more
    )
    return app, address, state, nonce, verifier


def confidential(page, method):
    scope = "openid profile email offline_access"
    app, address, state, nonce, verifier = begun(method, CONFIDENTIAL, SECRET, CALLBACK, scope)
    answer = page.answer(address, consent=True)
    back = answer["redirect"]
    asked = parse_qs(urlsplit(back).query)
    assert back.startswith(CALLBACK + "&") and asked["state"] == [state] and asked["iss"] == [META["issuer"]], back
    token = app.fetch_token(META["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600 and token["scope"] == scope, token
    claims = checked(token, CONFIDENTIAL, nonce)

    told = UserInfo(app.get(META["userinfo_endpoint"]).json())
    assert told["sub"] == claims["sub"] == page.session.uid, told
    assert told["email"] == page.email and told["email_verified"] is True, told
    assert told["preferred_username"] == page.email.split("@")[0], told
    bare = requests.get(META["userinfo_endpoint"], headers={"Authorization": f"Bearer {token['id_token']}"}, timeout=30)
    assert bare.status_code == 401 and "invalid_token" in bare.headers["WWW-Authenticate"], bare.text

    again = dict(authorization_response=back, state=state, code_verifier=verifier)
    denied("invalid_grant", lambda: app.fetch_token(META["token_endpoint"], **again))

    refreshed = app.refresh_token(META["token_endpoint"], refresh_token=token["refresh_token"])
    assert "id_token" not in refreshed and refreshed["access_token"] != token["access_token"], refreshed
    assert app.get(META["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    known = app.introspect_token(META["introspection_endpoint"], token=refreshed["access_token"]).json()
    assert known["active"] is True and known["client_id"] == CONFIDENTIAL, known
    assert abs(known["exp"] - time.time() - 3600) < 120, known

    assert app.revoke_token(META["revocation_endpoint"], token=token["refresh_token"]).status_code == 200
    denied("invalid_grant", lambda: app.refresh_token(META["token_endpoint"], refresh_token=token["refresh_token"]))
    step(f"confidential-{method}")


def public(page):
    app, address, state, nonce, verifier = begun("none", PUBLIC, None, APP_CALLBACK, "openid offline_access")
    refused(1005, lambda: page.answer(address, consent=False))
    back = page.answer(address, consent=True)["redirect"]
    wrong = dict(authorization_response=back, state=state, code_verifier=generate_token(48))
    denied("invalid_grant", lambda: app.fetch_token(META["token_endpoint"], **wrong))
    token = app.fetch_token(META["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    checked(token, PUBLIC, nonce)
    assert app.get(META["userinfo_endpoint"]).json() == {"sub": page.session.uid}
    step("public")

    old = token["refresh_token"]
    token = app.refresh_token(META["token_endpoint"], refresh_token=old)
    assert token["refresh_token"] != old and app.token["refresh_token"] == token["refresh_token"], token
    again = app.refresh_token(META["token_endpoint"], refresh_token=old)
    assert again["refresh_token"] == token["refresh_token"], "the answer may have been lost"
    token = app.refresh_token(META["token_endpoint"])
    assert token["refresh_token"] not in (old, again["refresh_token"]), token
    assert app.get(META["userinfo_endpoint"]).json() == {"sub": page.session.uid}
    step("replaced")

    page.answer(address, consent=False)
    step("asked-once")

    entries = page.session.apiclient.get("/account/attached_clients", auth=page.session._auth)
    mine = [entry for entry in entries if entry["clientId"] == PUBLIC]
    assert len(mine) == 1 and mine[0]["scope"] == ["openid", "offline_access"] and mine[0]["name"], entries
    code = page.answer(address, consent=False)["redirect"]
    body = {"clientId": PUBLIC}
    page.session.apiclient.post("/account/attached_client/destroy", body, auth=page.session._auth)
    by_code = dict(authorization_response=code, state=state, code_verifier=verifier)
    denied("invalid_grant", lambda: app.fetch_token(META["token_endpoint"], **by_code))
    denied("invalid_grant", lambda: app.refresh_token(META["token_endpoint"], refresh_token=token["refresh_token"]))
    assert app.get(META["userinfo_endpoint"]).status_code == 401
    refused(1005, lambda: page.answer(address, consent=False))
    step("revoked")


def hostile(page):
    def form(path, body, **more):
        return requests.post(f"{ROOT}{path}", data=body, timeout=30, **more)

    def error(answer, status, name):
        assert (answer.status_code, answer.json()["error"]) == (status, name), answer.text
        assert answer.headers["Cache-Control"] == "no-store", answer.headers
        challenge = answer.headers.get("WWW-Authenticate")
        assert challenge == ("Basic realm=\"foxhold\"" if status == 401 else None), answer.headers

    code = {"grant_type": "authorization_code", "code": "a" * 64, "redirect_uri": CALLBACK}
    good = {"client_id": CONFIDENTIAL, "client_secret": SECRET}
    error(form("/v1/token", code), 401, "invalid_client")
    error(form("/v1/token", code | {"client_id": CONFIDENTIAL}), 401, "invalid_client")
    error(form("/v1/token", code | good | {"client_secret": "b" * 64}), 401, "invalid_client")
    error(form("/v1/token", code | {"client_id": PUBLIC, "client_secret": SECRET}), 401, "invalid_client")
    error(form("/v1/token", code | {"client_id": "5882386c6d801776"}), 401, "invalid_client")
    error(form("/v1/token", code | good, auth=(CONFIDENTIAL, SECRET)), 401, "invalid_client")
    error(form("/v1/token", code | good), 400, "invalid_grant")
    error(form("/v1/token", code | good | {"code": "short"}), 400, "invalid_grant")
    error(form("/v1/token", good | {"grant_type": "password"}), 400, "unsupported_grant_type")
    error(form("/v1/token", good), 400, "invalid_request")
    error(form("/v1/token", list((code | good).items()) + [("code", "b" * 64)]), 400, "invalid_request")
    error(form("/v1/introspect", {"client_id": PUBLIC, "token": "x"}), 401, "invalid_client")
    assert form("/v1/introspect", good | {"token": "x"}).json() == {"active": False}
    assert form("/v1/destroy", good | {"token": "x"}).status_code == 200
    # Without a form it is the other dialect, in which nobody is registered.
    assert requests.post(f"{ROOT}/v1/token", json=code | good, timeout=30).json()["errno"] in (101, 105, 109)

    def sent(**changed):
        query = {"response_type": "code", "client_id": CONFIDENTIAL, "redirect_uri": CALLBACK, "scope": "openid"}
        query = {name: value for name, value in (query | changed).items() if value is not None}
        return requests.get(META["authorization_endpoint"], query, allow_redirects=False, timeout=30)

    for changed in ({"client_id": "0" * 16}, {"client_id": None}, {"redirect_uri": "https://evil.example/"},
                    {"redirect_uri": CALLBACK + "/"}, {"redirect_uri": None}, {"client_id": "5882386c6d801776"}):
        answer = sent(**changed)
        assert answer.status_code == 400 and "Location" not in answer.headers, (changed, answer.headers)
    table = [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request": "x"}, "request_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"keys_jwk": "x"}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_request"),
    ]
    for changed, name in table:
        answer = sent(state="a b&c", **changed)
        assert answer.status_code == 303, (changed, answer.status_code)
        asked = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert asked["error"] == [name] and asked["state"] == ["a b&c"], (changed, asked)
        assert asked["iss"] == [META["issuer"]] and asked["from"] == ["foxhold"], asked
    posted = requests.post(META["authorization_endpoint"], {"client_id": PUBLIC}, allow_redirects=False, timeout=30)
    assert posted.status_code == 303 and posted.headers["Location"].startswith(META["authorization_endpoint"])

    ask = {"client_id": CONFIDENTIAL, "redirect_uri": CALLBACK, "scope": "openid", "consent": True}

    def asks(**changed):
        body = {name: value for name, value in (ask | changed).items() if value is not None}
        return page.session.apiclient.post("/oauth/authorization", body, auth=page.session._auth)

    refused(167, lambda: asks(redirect_uri=None))
    refused(163, lambda: asks(scope="openid https://identity.mozilla.com/apps/oldsync"))
    refused(170, lambda: asks(acr_values="AAL2"))
    refused(107, lambda: asks(keys_jwe="a.b.c.d.e"))
    refused(164, lambda: asks(prompt="login", requested_at=int(time.time() * 1000) + 60_000))
    refused(162, lambda: asks(client_id="0" * 16))
    assert "code" in asks()
    step("hostile")


def one_time_code(secret):
    """RFC 6238, of now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def second_factor(page):
    """A program that asks for two factors gets them from a session that has shown both, and is told so."""
    def post(path, body):
        return page.session.apiclient.post(path, body, auth=page.session._auth)

    app, address, state, nonce, verifier = begun(
        "client_secret_basic", CONFIDENTIAL, SECRET, CALLBACK, "openid", acr_values="AAL2"
    )
    refused(170, lambda: page.answer(address, consent=True))
    secret = post("/totp/create", {})["secret"]
    shown = post("/session/verify/totp", {"code": one_time_code(secret)})
    assert shown["success"] is True, shown
    # Another session has shown the password alone, until it shows a backup code.
    page.session = page.client.login(page.email, PASSWORD)
    refused(138, lambda: page.answer(address, consent=True))
    post("/session/verify/recoveryCode", {"code": shown["recoveryCodes"][0]})
    back = page.answer(address, consent=True)["redirect"]
    token = app.fetch_token(META["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    claims = checked(token, CONFIDENTIAL, nonce, acr="AAL2")
    assert set(claims["amr"]) >= {"pwd", "otp"}, claims
    step("second-factor")


def main():
    page = Page()
    _, address, *_ = begun("none", PUBLIC, None, APP_CALLBACK, "openid")
    refused(138, lambda: page.answer(address, consent=True))
    page.verify()
    step("discovered")
    confidential(page, "client_secret_basic")
    confidential(page, "client_secret_post")
    public(page)
    hostile(page)
    second_factor(page)


main()
