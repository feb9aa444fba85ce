"""``rtsep serve``: a server until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import sys
from pathlib import Path

import torch

from rtsep.errors import ConfigError, EngineError
from rtsep.models.bundle import load_bundle
from rtsep.serve.limits import Limits
from rtsep.serve.server import Server, ServerSettings, tls_context
from rtsep.serve.token import TOKEN, server_token

SWITCH_INTERVAL_S = 1e-4
"""So long a thread may keep the interpreter when another wants it; of Python's own 5 ms two are a hop."""


def run_server(
    bundle_name: str,
    host: str,
    port: int,
    *,
    sessions: int,
    threads: int,
    tls: tuple[Path | None, Path | None] | None,
    open_to_all: bool,
) -> None:
    """Serve a bundle.

    Raises:
        ConfigError: strangers could come in, or half of what TLS needs is missing.
        RtsepError: the bundle or the address cannot be used.
    """
    token = server_token()
    if token is None and not open_to_all and not _of_this_machine(host):
        raise ConfigError(
            f"--host {host} lets others in: set {TOKEN} to what they must bring, or say --without-token"
        )
    context = None
    if tls is not None:
        certificate, key = tls
        if certificate is None or key is None:
            raise ConfigError("TLS needs both --certificate and --key")
        context = tls_context(certificate, key)
    limits = Limits(sessions=sessions)
    settings = ServerSettings(host, port, token, context, threads, limits)
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(_serve(bundle_name, settings))


async def _serve(bundle_name: str, settings: ServerSettings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has Ctrl-C alone
            loop.add_signal_handler(number, ended.set)
    server = Server(load_bundle(bundle_name), settings)
    async with server.open() as (host, port):
        scheme = "wss" if settings.tls else "ws"
        shown = f"[{host}]" if ":" in host else host
        print(f"serving {bundle_name} on {scheme}://{shown}:{port}", flush=True)
        waiting = [asyncio.create_task(event.wait()) for event in (ended, server.failed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
    if server.worker.failure is not None:
        raise EngineError("the server's worker has died: start it again") from server.worker.failure


def _of_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
