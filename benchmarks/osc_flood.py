"""Nonsense and floods against the OSC server: does it crash, grow, or answer late afterwards?

Starts a server with a desk in a process of its own, or takes one that runs already, with an engine behind it:

    OMP_NUM_THREADS=1 python benchmarks/osc_flood.py --count 1000000 --json osc_flood.json
    OMP_NUM_THREADS=1 python benchmarks/osc_flood.py --port 7770 --pid 1234 1250

With ``--live`` the server has a whole engine behind it, on a JACK dummy server, and dropouts are counted: as
long without the flood as with it, and during the nonsense.

    OMP_NUM_THREADS=1 python benchmarks/osc_flood.py --live --count 1000000 --seconds 30 --json osc_flood.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import jack_server
from osc_fuzz import datagrams
from osc_live import WORDS
from rich.console import Console as Terminal
from rich.table import Table

from rtsep.control import Command, Console, Status
from rtsep.osc.packet import read, write, write_bundle

AHEAD = 64
"""Datagrams of nonsense between two questions: they fit the receive buffer, so that none is lost unread."""

MOST_UNANSWERED = 5
"""Questions in a row, of two seconds each: a machine that has too much else to do may keep one waiting."""

WARM_UP = 20_000
"""Datagrams before memory is first looked at: caches fill, and the allocator takes what it needs."""

ECHOES = 500
"""Settings whose echo is timed."""


class SilentHost:
    """Stands behind the desk where there is no engine."""

    def knows(self, text: str) -> bool:
        """Every prompt is at hand."""
        return True

    def learn(self, text: str) -> None:
        """Nothing is left to learn."""

    def apply(self, console: Console, preset: str) -> None:
        """Nobody hears it."""

    def obey(self, command: Command) -> None:
        """Nothing to do."""


def serve(pipe: Connection, folder: str) -> None:
    """Run a server until something comes through the pipe; send back its port, then its counts."""
    from rtsep.desk import Desk
    from rtsep.osc.server import OscServer
    from rtsep.presets import Presets

    desk = Desk(SilentHost(), Console(), Presets(Path(folder)))
    with OscServer(desk, Status, port=0) as server:
        pipe.send(server.address[1])
        pipe.recv()
        pipe.send(vars(server.counts))
    desk.close()


def mirror(pipe: Connection) -> None:
    """A bare socket that sends back what it gets: how late this machine is by itself, in the same minute."""
    bare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bare.bind(("127.0.0.1", 0))
    pipe.send(bare.getsockname()[1])
    while True:
        bare.sendto(*bare.recvfrom(4096))


class Peer:
    """The other side: sends, asks, and looks at the memory of the server's process."""

    def __init__(self, port: int, pids: Sequence[int], mirror_port: int) -> None:
        self._pids = pids
        self._mirror = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mirror.connect(("127.0.0.1", mirror_port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._noise.connect(("127.0.0.1", port))
        self._noise.setblocking(False)

    def memory_mb(self) -> float:
        """Resident memory of the server's process, and of the engine's where there is one."""
        sizes = (Path(f"/proc/{pid}/statm").read_text(encoding="ascii") for pid in self._pids)
        return sum(int(each.split()[1]) for each in sizes) * 4096 / 1e6

    def noise(self, datagram: bytes) -> None:
        """Send, and throw away what is answered."""
        try:
            self._noise.send(datagram)
            while self._noise.recv(4096):
                pass
        except (BlockingIOError, ConnectionRefusedError):
            pass

    def echo_s(self, address: str, *values: float) -> float | None:
        """How long the answer to a message takes; None if there is none within two seconds."""
        began = time.perf_counter()
        self._socket.send(write(address, *values))
        while (left := 2.0 - (time.perf_counter() - began)) > 0:
            self._socket.settimeout(left)
            try:
                message = read(self._socket.recv(4096))[0].message
            except TimeoutError:
                return None
            if message.address == address and (not values or message.arguments == values):
                return time.perf_counter() - began
        return None

    def echoes(self, name: str, count: int) -> dict[str, float]:
        """Echoes of so many settings, a hundred a second, and those of the bare socket in between.

        Median and 99th percentile in milliseconds; an echo that is lost counts as 2,000.
        """
        found, bare = [], []
        for number in range(count):
            took = self.echo_s("/rtsep/gain", float(number % 60 - 50))
            found.append(2000.0 if took is None else 1000 * took)
            time.sleep(0.005)
            began = time.perf_counter()
            self._mirror.send(b"x")
            self._mirror.recv(16)
            bare.append(1000 * (time.perf_counter() - began))
            time.sleep(0.005)
        return figures(name, found) | figures(f"{name}_bare_socket", bare)


def pour(peer: Peer, nonsense: Iterator[bytes], count: int) -> None:
    """Send nonsense as fast as it is read: every few datagrams wait until a question is answered."""
    unanswered = 0
    for number, datagram in enumerate(islice(nonsense, count), start=1):
        peer.noise(datagram)
        if number % AHEAD == 0:
            unanswered = unanswered + 1 if peer.echo_s("/rtsep/seconds") is None else 0
        if unanswered == MOST_UNANSWERED:
            raise SystemExit(f"the server has not answered for ten seconds, after {number} datagrams")


def flood(peer: Peer, rate: int, seconds: float) -> list[float]:
    """Send settings at a rate, and time an echo ten times a second meanwhile, in milliseconds."""
    began, sent, found = time.perf_counter(), 0, []
    while (passed := time.perf_counter() - began) < seconds:
        while sent < passed * rate:
            peer.noise(write(f"/rtsep/prompt/{sent % 8 + 1}/gain", float(sent % 80 - 60)))
            sent += 1
        if len(found) < passed * 10:
            took = peer.echo_s("/rtsep/wet", 0.5)
            found.append(2000.0 if took is None else 1000 * took)
        time.sleep(0.001)
    return found


@contextmanager
def live() -> Iterator[tuple[int, tuple[int, int], Callable[[], dict[str, float]]]]:
    """An engine: its port, its processes, and what gives its counts since the last call."""
    program = [sys.executable, str(Path(__file__).with_name("osc_live.py"))]
    with tempfile.TemporaryDirectory() as folder, jack_server.server(Path(folder)) as environment:
        pipe = subprocess.PIPE
        process = subprocess.Popen(program, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        port, server = map(int, stdout.readline().split())

        def counts() -> dict[str, float]:
            stdin.write("\n"), stdin.flush()
            found: dict[str, float] = json.loads(stdout.readline())
            return found

        try:
            yield port, (process.pid, server), counts
        finally:
            stdin.close()
            process.wait(30)


def compare(
    peer: Peer, options: argparse.Namespace, counts: Callable[[], dict[str, float]]
) -> dict[str, Any]:
    """Dropouts of a live engine without a flood, with one, and without one again, as long each."""
    report: dict[str, Any] = {}
    time.sleep(2.0)  # opening a client disturbs a server
    counts()
    for name in ("before", "during", "after"):
        if name == "during":
            report |= figures("echo_during_flood_of_live", flood(peer, options.rate, options.seconds))
        else:
            time.sleep(options.seconds)
        counted = counts()
        report[f"dropouts_{name}_percent"] = 100 * counted["dropouts"] / max(1, counted["callbacks"])
        report[f"load_{name}"] = counted["load"]
    return report


def measure(peer: Peer, options: argparse.Namespace) -> dict[str, Any]:
    """All of it, in order."""
    nonsense = datagrams(options.seed, WORDS if options.live else None)
    pour(peer, nonsense, WARM_UP)
    before = peer.memory_mb()
    report = peer.echoes("echo_before", ECHOES)
    began = time.perf_counter()
    pour(peer, nonsense, options.count)
    took = time.perf_counter() - began
    after_noise = peer.memory_mb()
    report |= peer.echoes("echo_after_nonsense", ECHOES)
    report |= figures("echo_during_flood", flood(peer, options.rate, options.seconds))
    report |= peer.echoes("echo_after_flood", ECHOES)
    for _ in range(5_000):
        peer.noise(write_bundle(time.time() + 1e6, write("/rtsep/gain", 0.0)))
    report |= peer.echoes("echo_after_future_bundles", ECHOES)
    return {
        "datagrams_of_nonsense": options.count,
        "of_them_a_second": options.count / took,
        "growth_after_nonsense_mb": after_noise - before,
        "growth_at_the_end_mb": peer.memory_mb() - before,
        "memory_mb": peer.memory_mb(),
        "flood_a_second": options.rate,
        **report,
    }


def figures(name: str, times_ms: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    ordered = sorted(times_ms)
    return {
        f"{name}_p50_ms": statistics.median(ordered),
        f"{name}_p99_ms": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
    }


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="datagrams of nonsense")
    parser.add_argument("--rate", type=int, default=5_000, help="settings a second, in the flood")
    parser.add_argument("--seconds", type=float, default=10.0, help="of flood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, help="of a server that runs already")
    parser.add_argument("--pid", type=int, nargs="+", help="of its processes")
    parser.add_argument("--live", action="store_true", help="an engine behind the server, and its dropouts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    bare = spawn.Process(target=mirror, args=(theirs,), daemon=True)
    bare.start()
    mirror_port = mine.recv()
    if options.live:
        with live() as (port, pids, counts):
            peer = Peer(port, pids, mirror_port)
            report = compare(peer, options, counts) | measure(peer, options)
            last = counts()
            report["dropouts_of_the_rest_percent"] = 100 * last["dropouts"] / max(1, last["callbacks"])
            report |= {f"server_{name}": last[name] for name in ("received", "malformed", "faults")}
    elif options.port:
        report = measure(Peer(options.port, options.pid or (), mirror_port), options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            process = spawn.Process(target=serve, args=(theirs, folder))
            process.start()
            assert process.pid is not None
            report = measure(Peer(mine.recv(), [process.pid], mirror_port), options)
            mine.send(None)
            report |= {f"server_{name}": count for name, count in mine.recv().items()}
            process.join(10)
            report["exit_code"] = process.exitcode
    report["machine_load_average"] = os.getloadavg()[0]
    table = Table("figure", "value", title="OSC under nonsense and floods")
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    Terminal().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
