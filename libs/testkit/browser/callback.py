"""The other program, as far as a browser sees it: takes what it is sent back with. Called by firefox_flow.py."""

import http.server
import queue
import threading
from urllib.parse import parse_qs, urlsplit

WAIT_SECS = 300


class Callback:
    """Listens at a redirect URI on this machine."""

    def __enter__(self):
        came = self._came = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer("GET", urlsplit(self.path).query)

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                self._answer("POST", self.rfile.read(length).decode())

            def _answer(self, method, sent):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>back</title>")
                if self.path.startswith("/callback"):
                    came.put((method, parse_qs(sent)))

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/callback"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def next(self, method="GET"):
        """What the browser was sent back with next."""
        by, sent = self._came.get(timeout=WAIT_SECS)
        assert by == method, f"sent back by {by}: {sent}"
        return sent
