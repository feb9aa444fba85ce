"""What a server stands: clients that send nonsense, beside a session in real time.

    python benchmarks/serve_fuzz.py --messages 100000 --json fuzz.json

The server is a process of its own, with the default bundle, and so are the clients that send nonsense: random
bytes and text, frames and hellos with an error in them, frames sent again. The session beside them is
first timed alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import print as show
from serve_sessions import some_codes
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from rtsep.models.bundle import Bundle, load_bundle
from rtsep.serve.format import CodeFormat, Frames, pack
from rtsep.serve.messages import Hello

WISH: dict[str, bool | float | str] = {"prompt/1/text": "speech"}


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Its address and its process, as long as the block lasts."""
    command = [sys.executable, "-m", "rtsep", "serve", "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


def nonsense(draw: random.Random, good: bytes, hello: str) -> str | bytes:
    """A message that is random, or nearly right."""
    match draw.randrange(5):
        case 0:
            return draw.randbytes(draw.randrange(300))
        case 1:
            return draw.randbytes(draw.randrange(80)).decode("latin-1")
        case 2:
            flipped = bytearray(good)
            flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
            return bytes(flipped)
        case 3:
            cut = draw.randrange(len(hello))
            return hello[:cut] + chr(draw.randrange(1, 255)) + hello[cut + draw.randrange(3) :]
        case _:
            return good  # replayed


async def fuzz(url: str, pid: int, messages: int) -> dict[str, Any]:
    """Nonsense from another process, beside a session here; the same session alone, before."""
    bundle = load_bundle()
    alone = await neighbour(url, bundle, asyncio.get_running_loop().run_in_executor(None, time.sleep, 20.0))
    memory_mb = [resident_mb(pid)]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        flooding = asyncio.wrap_future(pool.submit(flood, url, messages))
        watching = asyncio.create_task(watch(pid, memory_mb))
        beside = await neighbour(url, bundle, flooding)
        watching.cancel()
        return {
            "messages": messages, "clients": await flooding, "alone": alone, "beside": beside,
            "memory_mb": [memory_mb[0], *memory_mb[len(memory_mb) // 2 :: 10], resident_mb(pid)],
        }  # fmt: skip


async def watch(pid: int, memory_mb: list[float]) -> None:
    """The server's memory, every second."""
    while True:
        await asyncio.sleep(1.0)
        memory_mb.append(resident_mb(pid))


def flood(url: str, messages: int) -> int:
    """Messages of nonsense; a new client whenever one is told to go. Returns how many clients."""
    return asyncio.run(flooded(url, messages))


async def flooded(url: str, messages: int) -> int:
    """What ``flood`` does."""
    bundle = load_bundle()
    format, draw, sent, clients = CodeFormat.of(bundle), random.Random(0), 0, 0
    codes, hello = some_codes(bundle, 1), Hello(format=format, live=True, values=WISH).model_dump_json()
    while sent < messages:
        clients, begun = clients + 1, sent
        try:
            async with connect(url, compression=None, proxy=None, close_timeout=1) as socket:
                if clients % 4:
                    await socket.send(hello)
                drain = asyncio.create_task(drained(socket))
                while sent < messages and sent - begun < 200 and not drain.done():
                    await socket.send(nonsense(draw, pack(format, Frames(sent, codes)), hello))
                    sent += 1
                    await asyncio.sleep(0)
        except (ConnectionClosed, InvalidHandshake, OSError):
            pass
    return clients


async def drained(socket: ClientConnection) -> None:
    """Read until told to go."""
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        pass


async def neighbour(url: str, bundle: Bundle, until: asyncio.Future[Any]) -> dict[str, Any]:
    """A session in real time: milliseconds from a frame to its answer, and frames without one."""
    format, codes = CodeFormat.of(bundle), some_codes(bundle, 1)
    hello = Hello(format=format, live=True, values=WISH).model_dump_json()
    hop_s = format.hop / format.sample_rate
    sent: dict[int, float] = {}
    times_ms: list[float] = []
    async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
        await socket.send(hello)
        await socket.recv()

        async def listen() -> None:
            async for message in socket:
                if isinstance(message, bytes):
                    number = int.from_bytes(message[:4], "little")
                    times_ms.append(1000 * (time.monotonic() - sent[number]))

        listening = asyncio.create_task(listen())
        begun, number = time.monotonic(), 0
        while not until.done():
            await asyncio.sleep(max(0.0, begun + number * hop_s - time.monotonic()))
            sent[number] = time.monotonic()
            await socket.send(pack(format, Frames(number, codes)))
            number += 1
        await asyncio.sleep(1.0)
        listening.cancel()
    p50, p99 = np.percentile(times_ms, [50, 99])
    return {
        "frames": number,
        "unanswered": number - len(times_ms),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
    }


def resident_mb(pid: int) -> float:
    """Memory of a process, Linux."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure, print, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    before = os.getloadavg()
    with server() as (url, pid):
        report = asyncio.run(fuzz(url, pid, given.messages))
    report |= {"load_before": before, "load_after": os.getloadavg()}
    show(report)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
