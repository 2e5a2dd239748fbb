#!/usr/bin/env python3
"""A real SMTP server that delivers nothing: it keeps what it takes and shows it over HTTP, in the shape the captured
mailbox of a single box has. Started by the test bench for fleets, whose webheads share no memory.

    python smtp_sink.py --smtp 127.0.0.1:PORT --http 127.0.0.1:PORT [--login USER:PASSWORD] [--certificate PEM --key PEM]

GET /mail/<local part> answers an array of {"headers": {lower-case name: value}}, oldest first; DELETE empties it.
What a receiver is called decides how their mails are taken: "later…" is asked to come back twice, "never…" is refused,
"silent…" gets no answer for as long as the server runs. With a certificate it takes mail after STARTTLS alone.
"""

import argparse
import asyncio
import email
import http.server
import json
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Mails:
    """Every mail by the local part of its receiver."""

    def __init__(self):
        self._by_receiver = {}
        self._lock = threading.Lock()

    def add(self, receiver, headers):
        with self._lock:
            self._by_receiver.setdefault(receiver.split("@")[0], []).append({"headers": headers})

    def of(self, local_part):
        with self._lock:
            return list(self._by_receiver.get(local_part, []))

    def clear(self, local_part):
        with self._lock:
            self._by_receiver.pop(local_part, None)


class Sink:
    """What aiosmtpd calls for each mail."""

    def __init__(self, mails):
        self._mails = mails
        self._asked = {}

    async def handle_RCPT(self, server, session, envelope, receiver, options):
        asked = self._asked[receiver] = self._asked.get(receiver, 0) + 1
        if receiver.startswith("later") and asked <= 2:
            return "451 come back later"
        if receiver.startswith("never"):
            return "550 nobody of that name"
        if receiver.startswith("silent"):
            await asyncio.Event().wait()
        envelope.rcpt_tos.append(receiver)
        return "250 go on"

    async def handle_DATA(self, server, session, envelope):
        headers = {name.lower(): str(value) for name, value in email.message_from_bytes(envelope.content).items()}
        for receiver in envelope.rcpt_tos:
            self._mails.add(receiver, headers)
        return "250 kept"


def handler_of(mails):
    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, body):
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            self._answer(mails.of(self.path.rsplit("/", 1)[-1]))

        def do_DELETE(self):
            mails.clear(self.path.rsplit("/", 1)[-1])
            self._answer({})

        def log_message(self, *arguments):
            pass

    return Handler


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def authenticator(login):
    wanted = tuple(part.encode() for part in login.split(":", 1))

    def authenticate(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == wanted, handled=False)

    return authenticate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smtp", type=address, required=True)
    parser.add_argument("--http", type=address, required=True)
    parser.add_argument("--login")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    mails = Mails()
    login = {}
    if options.login:
        login = {"auth_required": True, "auth_require_tls": False, "authenticator": authenticator(options.login)}
    tls = {}
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        tls = {"tls_context": context, "require_starttls": True}
    Controller(Sink(mails), hostname=options.smtp[0], port=options.smtp[1], **login, **tls).start()
    http.server.ThreadingHTTPServer(options.http, handler_of(mails)).serve_forever()


if __name__ == "__main__":
    main()
