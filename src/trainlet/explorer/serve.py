"""The explorer's server: loopback only, a page and questions in JSON.

A page of another site cannot use it: a request must name this host (so that no foreign name can be
pointed at it), come from this origin, and be JSON.
"""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import ValidationError

from trainlet.errors import TrainletError
from trainlet.explorer.page import page
from trainlet.explorer.requests import LONGEST
from trainlet.explorer.work import QUESTIONS, Service, Superseded, explained

ADDRESS = "127.0.0.1"
SUPERSEDED = "superseded"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Answers for one network.

    port: 0 for any free one; `url` tells which
    """

    daemon_threads = True

    def __init__(self, service: Service, port: int = 0) -> None:
        self.service = service
        super().__init__((ADDRESS, port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that has gone needs no answer; other errors are shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> set[str]:
        """The Host headers that are ours."""
        return {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}


class Handler(BaseHTTPRequestHandler):
    """GET / is the page, POST /api/<question> an answer; there is nothing else."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "trainlet", ""
    timeout = 60

    def do_GET(self) -> None:
        if not self._ours():
            return
        if self.path != "/":
            self._refuse(HTTPStatus.NOT_FOUND, "there is only / and /api/")
            return
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page().encode())

    def do_POST(self) -> None:
        if not self._ours():
            return
        name = self.path.removeprefix("/api/")
        if not self.path.startswith("/api/") or name not in QUESTIONS:
            self._refuse(HTTPStatus.NOT_FOUND, f"questions: {', '.join(QUESTIONS)}")
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is JSON")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > LONGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LONGEST:,} bytes")
            return
        body = self.rfile.read(int(length))
        try:
            self._json(HTTPStatus.OK, self.server.service.answer(name, body))
        except ValidationError as error:
            self._json(HTTPStatus.BAD_REQUEST, {"error": explained(error)})
        except TrainletError as error:  # an answer: the page shows it
            self._json(HTTPStatus.OK, {"refused": str(error)})
        except Superseded:
            self._json(HTTPStatus.OK, {"refused": SUPERSEDED})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the address, and Ctrl-C ends the server."""

    def _ours(self) -> bool:
        """Whether the request is for this host and, if a page made it, from our own."""
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "another host")
            return False
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "another origin")
            return False
        return True

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # a body may be left that nobody reads
        self._json(status, {"error": why})

    def _json(self, status: HTTPStatus, answer: Any) -> None:
        self._send(status, "application/json", json.dumps(answer).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for key, value in {**HEADERS, "Content-Type": kind}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
