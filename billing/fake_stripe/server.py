"""The HTTP server: on this machine's loopback address and for its own names only."""

from __future__ import annotations

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from billing.fake_stripe.account import Account
from billing.fake_stripe.api import Answer, answer_api
from billing.fake_stripe.delivery import Clockwork
from billing.fake_stripe.faults import broken_answer, strike
from billing.fake_stripe.pages import answer_page

LOOPBACK = "127.0.0.1"
OWN_NAMES = {"localhost", "127.0.0.1", "::1"}
LARGEST_BODY = 1024 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in OWN_NAMES


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account
    timeout = 60
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Addresses of sessions are as good as keys: nothing is logged."""

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Answer(413, "Too large.", {"Content-Type": "text/plain"}))
            return
        body = self.rfile.read(int(length)).decode(errors="replace")
        headers = {name.title(): value for name, value in self.headers.items()}
        if not is_loopback(f"//{self.headers.get('Host', '')}"):
            self._send(Answer(403, "This pretend Stripe answers on localhost alone.", {"Content-Type": "text/plain"}))
        elif self.path.startswith("/v1/"):
            self._answer_api(body, headers)
        else:
            self._send(answer_page(self.account, self.command, self.path, body, headers))

    def _answer_api(self, body: str, headers: dict[str, str]) -> None:
        fault = strike(self.account)
        if fault and fault.kind == "down":
            self._hang_up()
            return
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        broken = broken_answer(fault.kind) if fault else None
        parts = urlsplit(self.path)
        answer = broken or answer_api(self.account, self.command, parts.path, parts.query, body, headers)
        if fault and fault.kind == "lost":
            self._hang_up()
        else:
            self._send(answer)

    def _hang_up(self) -> None:
        """The other side sees its connection reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True
        self.connection.close()

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error; anything else is printed by the base class."""
        import sys

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class FakeStripe:
    """A server with its account, on a free port unless one is given. A context manager, for tests.

    `account` may be spoken to directly while it runs; `url` is what `STRIPE_API_BASE` is set to.
    """

    def __init__(self, path: Path | None = None, *, port: int = 0, webhook_url: str | None = None) -> None:
        self.account = Account(path, webhook_url=webhook_url)
        handler = type("AccountHandler", (Handler,), {"account": self.account})
        self.server = Server((LOOPBACK, port), handler)
        self.port = int(self.server.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.account.address = f"http://localhost:{self.port}"
        self.clockwork = Clockwork(self.account)

    def serve_forever(self) -> None:
        self.clockwork.start()
        try:
            self.server.serve_forever(poll_interval=0.05)
        finally:
            self.clockwork.stop()
            self.server.server_close()
            self.account.store.close()

    def __enter__(self) -> FakeStripe:
        self.thread = threading.Thread(target=self.serve_forever, name="fake-stripe", daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.thread.join()
