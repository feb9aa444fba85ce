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
from rtsep.garbage import settled
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
    replicas: str | None = None,
) -> None:
    """Serve a bundle.

    Args:
        bundle_name: which.
        host: address to listen on.
        port: 0: any free one.
        sessions: most clients at once, in each replica.
        threads: for the arithmetic, in each replica.
        tls: certificate and key.
        open_to_all: ask for no token.
        replicas: how many on Ray Serve, FEWEST:MOST; None: this process alone.

    Raises:
        ConfigError: strangers could come in, or half of what TLS needs is missing.
        RtsepError: the bundle or the address cannot be used.
    """
    token = server_token()
    if token is None and not open_to_all and not _of_this_machine(host):
        raise ConfigError(
            f"--host {host} lets others in: set {TOKEN} to what they must bring, or say --without-token"
        )
    files = None
    if tls is not None:
        certificate, key = tls
        if certificate is None or key is None:
            raise ConfigError("TLS needs both --certificate and --key")
        files = certificate, key
    context = tls_context(*files) if files else None
    if replicas is not None:
        _run_on_ray(bundle_name, host, port, _bounds(replicas), sessions, threads, token, files)
        return
    limits = Limits(sessions=sessions)
    settings = ServerSettings(host, port, token, context, threads, limits)
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(_serve(bundle_name, settings))


def _run_on_ray(
    bundle_name: str,
    host: str,
    port: int,
    replicas: tuple[int, int],
    sessions: int,
    threads: int,
    token: str | None,
    tls: tuple[Path, Path] | None,
) -> None:
    try:
        from rtsep.serve.ray_run import RaySettings, run_on_ray
    except ImportError as error:
        raise ConfigError(f"--replicas needs {error.name}: pip install 'rtsep[serve,ray]'") from error
    run_on_ray(RaySettings(bundle_name, host, port, replicas, sessions, threads, token, tls))


def _bounds(text: str) -> tuple[int, int]:
    """FEWEST:MOST, or a number that is both."""
    fewest, _, most = text.partition(":")
    with contextlib.suppress(ValueError):
        found = int(fewest), int(most or fewest)
        if 1 <= found[0] <= found[1]:
            return found
    raise ConfigError(f"--replicas {text}: give FEWEST:MOST, such as 1:4, or one number for both, at least 1")


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
        waiting = [asyncio.create_task(event.wait()) for event in (ended, server.house.failed)]
        with settled():
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
    if server.house.worker.failure is not None:
        raise EngineError("the server's worker has died: start it again") from server.house.worker.failure


def _of_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
