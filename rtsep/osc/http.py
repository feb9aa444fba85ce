"""The OSCQuery server: the description over HTTP, one short answer at a time, read-only."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from rtsep.control import Status
from rtsep.errors import EngineError
from rtsep.osc.desk import Desk
from rtsep.osc.query import ATTRIBUTES, find, host_info, tree
from rtsep.osc.server import OscServer

PATIENCE_S = 2.0
"""How long a client may take to say what it wants; others wait meanwhile."""


class QueryServer:
    """Describes an OSC server, on the same host and for the same senders. Use it with ``with``.

    Args:
        osc: what is described.
        desk: the desk behind it.
        status: gives the current status, from any thread.
        port: where to listen (TCP); by default the number that OSC uses (UDP), 0 for any that is free.

    Raises:
        EngineError: the port is in use.
    """

    def __init__(
        self, osc: OscServer, desk: Desk, status: Callable[[], Status], *, port: int | None = None
    ) -> None:
        def answer(path: str, query: str) -> tuple[int, Any]:
            if query == "HOST_INFO":
                return 200, host_info(osc.address)
            node = find(tree(desk, status), path)
            if node is None:
                return 404, None
            if not query:
                return 200, node
            if query not in ATTRIBUTES:
                return 400, None
            return (200, {query: node[query]}) if query in node else (204, None)

        host = osc.address[0]
        place = (host, osc.address[1] if port is None else port)
        try:
            self._http = _Http(place, answer, osc.guard.permits)
        except (OSError, OverflowError) as error:
            raise EngineError(
                f"OSCQuery cannot listen on {host} port {place[1]} "
                f"({getattr(error, 'strerror', None) or error}): choose another port"
            ) from error
        self.address: tuple[str, int] = self._http.server_address[:2]  # type: ignore[assignment]
        """Host and port that it listens on."""
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="rtsep-oscquery", daemon=True
        )

    def start(self) -> QueryServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop, and give the port back."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def __enter__(self) -> QueryServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Http(HTTPServer):
    # One request at a time: a description is small, and a crowd must not become a crowd of threads.
    request_queue_size = 16
    allow_reuse_address = True

    def __init__(
        self,
        place: tuple[str, int],
        answer: Callable[[str, str], tuple[int, Any]],
        permits: Callable[[str], bool],
    ) -> None:
        self.answer, self._permits = answer, permits
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        super().__init__(place, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self._permits(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    server_version, sys_version, timeout = "rtsep", "", PATIENCE_S

    def do_GET(self) -> None:
        if not _is_local_name(self.headers.get("Host", "")):
            self._reply(403, None)
            return
        url = urlsplit(self.path)
        self._reply(*self.server.answer(unquote(url.path), url.query))

    def log_message(self, format: str, *args: Any) -> None:
        """Who asks what is nobody's business."""

    def _reply(self, code: int, content: Any) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _is_local_name(host: str) -> bool:
    """Whether a request was made to an address, or a name of the local network.

    A web page elsewhere can make its own name lead to this computer, and so have the visitor's browser read
    what is here; it cannot make that name look like one of these.
    """
    name = urlsplit(f"//{host}").hostname or "localhost"
    if name == "localhost" or name.endswith(".local") or "." not in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
