"""How many code streams one machine carries: time per step, arithmetic and bit rate, table and JSON.

    python benchmarks/serve_sessions.py --sessions 1 4 8 16 24 --threads 2 --json sessions.json
    python benchmarks/serve_sessions.py --paper                 # a masker of the paper's size, random weights

Every session sends a frame each hop, so that a step edits one frame of all of them; it has a hop's time.
With ``--network`` they do so as clients of an ``rtsep serve`` in a process of its own, each at its own moment
of the hop, and what is timed is from sending a frame to its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import print as show
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode
from websockets.asyncio.client import connect

from rtsep.control import Console
from rtsep.evaluate.bench import ATTENTION
from rtsep.models.bundle import CODE_GRAPH, Bundle, BundleConfig, load_bundle, save_bundle
from rtsep.models.code_graph import export_code_step
from rtsep.models.code_path import CodePath, Edits
from rtsep.models.condition import Condition
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Separator
from rtsep.serve.format import CodeFormat, Codes, Frames, pack
from rtsep.serve.messages import Hello
from rtsep.serve.service import Service

WARM_UP = 50


def some_condition(bundle: Bundle) -> Condition:
    """One prompt: which one does not matter for the time it takes."""
    film = bundle.separator.film_head.out.bias.detach()
    return Condition.of(Console.of(["anything"]), lambda words: film, len(film))


def some_codes(bundle: Bundle, frames: int) -> Codes:
    """Any codes, of one channel."""
    sizes = bundle.separator.codec.quantizer.sizes(CodeFormat.of(bundle).codebooks)
    return np.random.default_rng(0).integers(0, sizes, (frames, 1, len(sizes)))


def step_times(bundle: Bundle, sessions: int, threads: int, frames: int) -> dict[str, float]:
    """Milliseconds of a step of all sessions, one frame each."""
    service, format, codes = Service(bundle, threads), CodeFormat.of(bundle), some_codes(bundle, frames)
    for number in range(sessions):
        service.open(number, format, some_condition(bundle))
    times, processor_s = [], 0.0
    for number in range(frames):
        for session in service.sessions.values():
            session.put(Frames(number, codes[number : number + 1]))
        started, used_s = time.perf_counter(), time.process_time()
        assert len(list(service.tick())) == sessions
        times.append(1000 * (time.perf_counter() - started))
        processor_s += time.process_time() - used_s
    return summary(times[WARM_UP:]) | {"processor_ms": 1000 * processor_s / frames}


def summary(times_ms: list[float]) -> dict[str, float]:
    """Median, 99 % and worst."""
    p50, p99 = np.percentile(times_ms, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "max_ms": max(times_ms)}


def gmacs_per_second(bundle: Bundle) -> float:
    """Of one session with one prompt, codes to codes, by torch's counter, in 10^9."""
    format = CodeFormat.of(bundle)
    path, edits = CodePath(bundle.separator, format.codebooks), Edits.of([some_condition(bundle)])
    state = path.initial_state(1, 1, 1)
    codes = torch.from_numpy(some_codes(bundle, 1)).permute(1, 2, 0)[None]
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        for _ in range(round(format.sample_rate / format.hop)):
            _, state = path(codes, edits, state)
    return counter.get_total_flops() / 2e9


async def clients(url: str, bundle: Bundle, sessions: int, frames: int) -> dict[str, Any]:
    """Real-time clients, each at its own moment of the hop; milliseconds from a frame to its answer."""
    format, codes = CodeFormat.of(bundle), some_codes(bundle, frames)
    hop_s = format.hop / format.sample_rate
    messages = [pack(format, Frames(number, codes[number : number + 1])) for number in range(frames)]
    times: list[float] = []
    answered = 0
    started = time.monotonic() + 2.0

    async def one(place: int) -> None:
        nonlocal answered
        hello = Hello(format=format, live=True, values={"prompt/1/text": "speech"})
        async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
            await socket.send(hello.model_dump_json())
            await socket.recv()
            sent: dict[int, float] = {}

            async def listen() -> None:
                nonlocal answered
                async for message in socket:
                    number = int.from_bytes(message[:4], "little")
                    answered += 1
                    if number >= WARM_UP:
                        times.append(1000 * (time.monotonic() - sent[number]))

            listening = asyncio.create_task(listen())
            begin = started + hop_s * place / sessions
            for number, message in enumerate(messages):
                await asyncio.sleep(begin + number * hop_s - time.monotonic())
                sent[number] = time.monotonic()
                await socket.send(message)
            await asyncio.sleep(1.0)
            listening.cancel()

    await asyncio.gather(*(one(place) for place in range(sessions)))
    return summary(times) | {"unanswered": sessions * frames - answered}


def over_network(bundle: Bundle, sessions: int, threads: int, frames: int) -> dict[str, Any]:
    """The clients of a server in another process."""
    words = ["serve", "--bundle", str(bundle.path), "--port", "0", "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "rtsep", *words], stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        try:
            return asyncio.run(clients(url, bundle, sessions, frames))
        finally:
            server.terminate()


def paper_bundle(folder: Path) -> Bundle:
    """The default codec under a masker of the paper's size, with random weights and a graph."""
    config = load_bundle().config
    masker = MaskerConfig(width=256, layers=16, heads=8, feed_forward=1024, text=512)
    separator = Separator(config.codec, masker).eval().requires_grad_(False)
    own = BundleConfig(
        description="paper's size", text_encoder=config.text_encoder, codec=config.codec, masker=masker
    )
    save_bundle(folder, own, separator, "random weights\n")
    bundle = load_bundle(str(folder))
    codebooks = CodeFormat.of(bundle).codebooks
    export_code_step(bundle.separator, codebooks, folder / CODE_GRAPH.format(codebooks))
    return bundle


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 8, 16, 24])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bundle = paper_bundle(Path(folder) / "paper") if given.paper else load_bundle()
        format = CodeFormat.of(bundle)
        hop_ms = 1000 * format.hop / format.sample_rate
        frames = WARM_UP + round(1000 * given.seconds / hop_ms)
        report: dict[str, Any] = {
            "bundle": bundle.name, "hop_ms": hop_ms, "threads": given.threads, "kbps": format.kbps,
            "gmacs_per_s": gmacs_per_second(bundle), "load_before": os.getloadavg(), "sessions": {},
        }  # fmt: skip
        names = ("p50_ms", "p99_ms", "max_ms", "processor_ms", "unanswered")
        table = Table("sessions", *names, title=bundle.config.description)
        measure = over_network if given.network else step_times
        for sessions in given.sessions:
            found = measure(bundle, sessions, given.threads, frames)
            report["sessions"][sessions] = found
            table.add_row(str(sessions), *(f"{found[name]:.1f}" if name in found else "" for name in names))
    show(table)
    show(f"{report['gmacs_per_s']:.3f} GMACs/s a session, {format.kbps:.1f} kbit/s each way")
    report["load_after"] = os.getloadavg()
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
