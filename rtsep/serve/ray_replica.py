"""``rtsep serve --replicas``: houses of sessions on Ray Serve, more of them where more clients come.

A WebSocket stays with the replica that took it, and so does its session. One whose replica goes is taken up
by another as any broken line is: the edge connects again and tells its wishes again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus

import torch
from ray import serve
from ray.serve import Application
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.frames import CloseCode

from rtsep.errors import EngineError
from rtsep.models.bundle import load_bundle
from rtsep.serve.house import SessionHouse
from rtsep.serve.limits import Limits
from rtsep.serve.token import BRING_TOKEN

FILLED = 0.75
"""Share of a replica's sessions at which another is started."""


class RaySocket:
    """A WebSocket that Ray's proxy holds, as a connection knows one.

    Args:
        socket: accepted.
        message_bytes: the longest message that is taken.
    """

    def __init__(self, socket: WebSocket, message_bytes: int) -> None:
        self._socket, self._message_bytes = socket, message_bytes

    async def recv(self) -> str | bytes:
        """The next message.

        Raises:
            ConnectionClosed: there is none, or it was too long.
        """
        try:
            found = await self._socket.receive()
        except (RuntimeError, WebSocketDisconnect) as error:  # closed before
            raise _closed() from error
        message = found.get("bytes")
        message = found.get("text") if message is None else message
        if not isinstance(message, str | bytes):
            raise _closed()
        size = len(message.encode() if isinstance(message, str) else message)
        if size > self._message_bytes:
            await self.close(CloseCode.MESSAGE_TOO_BIG, f"{size} bytes: {self._message_bytes} are the most")
            raise _closed()
        return message

    async def send(self, message: str | bytes, /) -> None:
        """Send a message.

        Raises:
            ConnectionClosed: nobody takes it.
        """
        try:
            await (
                self._socket.send_text(message)
                if isinstance(message, str)
                else self._socket.send_bytes(message)
            )
        except (RuntimeError, WebSocketDisconnect) as error:
            raise _closed() from error

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Tell the client to go."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            await self._socket.close(code, reason)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Every message, until the client goes."""
        while True:
            try:
                yield await self.recv()
            except ConnectionClosed:
                return


class Replica:
    """One process of several: a house, behind Ray's proxy.

    Args:
        bundle: its name; every machine of the cluster has it.
        limits: of every client, and of how many there may be in a replica.
        token: what clients must bring.
        threads: for the arithmetic of one step.
    """

    def __init__(self, bundle: str, limits: Limits, token: str | None, threads: int) -> None:
        torch.set_num_threads(1)
        self._house = SessionHouse(load_bundle(bundle), limits, token, threads)

    def __serve_build_asgi_app__(self) -> Starlette:
        """What Ray's proxy speaks to."""
        return Starlette(routes=[WebSocketRoute("/", self._talk), Route("/health", self._health)])

    def check_health(self) -> None:
        """Asked by Ray, which replaces a replica that raises.

        Raises:
            EngineError: it computes no more.
        """
        if self._house.failed.is_set():
            raise EngineError("the replica's worker has died") from self._house.worker.failure

    async def _talk(self, socket: WebSocket) -> None:
        if not self._house.knows(socket.headers.getlist("Authorization")):
            self._house.metrics.refused.labels("token").inc()
            await socket.close(
                CloseCode.POLICY_VIOLATION,
                BRING_TOKEN,
            )
            return  # not accepted: HTTP 403
        await socket.accept()
        await self._house.serve(RaySocket(socket, self._house.limits.message_bytes))

    async def _health(self, request: Request) -> Response:
        told = self._house.health()
        status = HTTPStatus.OK if told["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(json.dumps(told), status.value, media_type="application/json")


def application(
    bundle: str,
    replicas: tuple[int, int],
    *,
    sessions: int,
    token: str | None = None,
    threads: int = 1,
) -> Application:
    """What ``ray.serve.run`` takes.

    Args:
        bundle: its name.
        replicas: the fewest and the most.
        sessions: the most of a replica.
        token: what clients must bring.
        threads: processors of a replica.
    """
    fewest, most = replicas
    scaling = {
        "min_replicas": fewest,
        "max_replicas": most,
        "target_ongoing_requests": max(1.0, FILLED * sessions),
    }
    made = serve.deployment(
        name="rtsep",
        autoscaling_config=scaling,
        max_ongoing_requests=sessions,
        max_queued_requests=sessions,
        ray_actor_options={"num_cpus": threads},
    )
    deployment = made(serve.ingress()(Replica))
    found: Application = deployment.bind(bundle, replace(Limits(), sessions=sessions), token, threads)
    return found


def _closed() -> ConnectionClosedOK:
    return ConnectionClosedOK(None, None)
