"""Hours on a stage: dropouts, latency and memory of an engine on which everything happens at once.

An ``rtsep.Engine`` plays on a JACK dummy server; in the process that has it a Python thread is busy. Other
processes send 1,000 OSC messages a second and another prompt each second, and a panel draws its 60 frames a
second. ``jack_thru`` on a server of its own shows what the machine is good for meanwhile.

The latency is measured by ``jack_iodelay``, with the input let through (bypass is delayed to match), before
the soak and after it, in samples of the whole way round. Memory is the resident size of this process,
the engine's, its card's and its OSC server's, against the same after a fifth of the time.

    python benchmarks/soak.py --minutes 60 --json soak.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jack_server
from dropouts import RATE, SETTLE_S, busy, thru, ticks, xruns
from osc_flood import Peer, flood
from osc_live import WORDS
from rich.console import Console as Screen
from rich.table import Table

from rtsep.live.engine import Engine
from rtsep.osc.packet import write

READINGS = 6
"""Of ``jack_iodelay``, of which the usual one counts: one during a late period shows that period."""


def main() -> None:
    """Soak, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--rate", type=int, default=1000, help="OSC messages a second")
    parser.add_argument("--busy", type=int, default=1, help="busy Python threads beside the engine")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)  # the process that sends: its port
    options = parser.parse_args()
    if options.send is not None:
        send(options.send, options.rate)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours, theirs = (Path(folder) / name for name in ("rtsep", "thru"))
        for place in (ours, theirs):
            place.mkdir()
        baseline = stack.enter_context(jack_server.server(theirs, RATE, options.block))
        stack.enter_context(thru(baseline))
        environment = stack.enter_context(jack_server.server(ours, RATE, options.block))
        os.environ.update(environment)  # before the process of the card is started
        logs = [Path(each["JACK_SERVER_LOG"]) for each in (environment, baseline)]
        report = soak(options, Path(folder), logs)
    table = Table("figure", "value", title=f"{options.minutes:g} minutes at 48 kHz, block {options.block}")
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    Screen().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def soak(options: argparse.Namespace, folder: Path, logs: list[Path]) -> dict[str, Any]:
    """Everything at once for so long; returns the figures."""
    os.environ["XDG_MUSIC_DIR"] = str(folder)
    port = free_port()
    with Engine(WORDS[0], separator=options.bundle, osc=True, osc_port=port) as engine:
        for words in WORDS:
            engine["prompt/1/text"] = words
        before = round_trip(engine)
        with everything_at_once(port, options, folder / "sent") as panel:
            wait_for_flood(folder / "sent")
            counted = [(engine.status, [xruns(log) for log in logs], ticks())]
            memory = [watch(options.minutes * 12, panel), watch(options.minutes * 48, panel)]
            counted.append((engine.status, [xruns(log) for log in logs], ticks()))
            alive = panel.poll() is None
        after = round_trip(engine)
        latency = engine.latency
    echoes = [float(each) for each in (folder / "sent").read_text(encoding="ascii").split()]
    return {
        "minutes": options.minutes,
        "block": options.block,
        **dropouts(counted, options),
        "latency_declared_samples": latency.total,
        "latency_before_samples": before,
        "latency_after_samples": after,
        "latency_drift_samples": after - before,
        "memory_after_a_fifth_mb": memory[0][0],
        "memory_at_the_end_mb": memory[1][0],
        "memory_growth_mb": memory[1][0] - memory[0][0],
        "panel_growth_mb": memory[1][1] - memory[0][1],
        "panel_lived": alive,
        "osc_echo_p50_ms": statistics.median(echoes),
        "osc_echo_p99_ms": statistics.quantiles(echoes, n=100)[98],
        "load_average": os.getloadavg()[0],
        "processors": os.cpu_count(),
    }


def dropouts(counted: list[Any], options: argparse.Namespace) -> dict[str, Any]:
    """Shares of all callbacks between two counts."""
    (first, servers, start), (last, servers_then, end) = counted
    callbacks = options.minutes * 60 * RATE / options.block
    own = 100 * (last.dropouts - first.dropouts) / callbacks
    server, baseline = (100 * (b - a) / callbacks for a, b in zip(servers, servers_then, strict=True))
    passed = [b - a for a, b in zip(start, end, strict=True)]
    return {
        "rtsep_dropouts_percent": own,
        "jack_thru_dropouts_percent": baseline,
        "excess_percent": own - baseline,
        "rtsep_server_xruns_percent": server,
        "load": last.load,
        "steal_percent": 100 * passed[7] / sum(passed),
        "idle_percent": 100 * passed[3] / sum(passed),
    }


@contextmanager
def everything_at_once(
    port: int, options: argparse.Namespace, sent: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A panel (which is given), a flood of settings, a prompt a second, and busy threads."""
    quiet = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    commands = [
        [sys.executable, "-m", "rtsep", "panel", "--port", str(port)],
        [sys.executable, __file__, "--send", str(port), "--rate", str(options.rate)],
    ]
    with ExitStack() as stack:
        said = stack.enter_context(sent.open("wb"))
        children = []
        for command in commands:
            child = subprocess.Popen(command, env=quiet, stdout=said)
            stack.callback(child.wait)
            stack.callback(child.kill)
            children.append(child)
        stack.enter_context(busy(options.busy))
        yield children[0]


def wait_for_flood(sent: Path) -> None:
    """Wait until a second's messages were answered, and things have settled: processes take time to start."""
    deadline = time.monotonic() + 180
    while not sent.stat().st_size:
        if time.monotonic() > deadline:
            raise RuntimeError("no OSC message was answered in three minutes")
        time.sleep(0.1)
    time.sleep(5 * SETTLE_S)


def send(port: int, rate: int) -> None:
    """Settings at a rate, and each second another prompt, for ever; prints how long echoes took, in ms."""
    peer = Peer(port, (), port)
    second = 0
    while True:
        second += 1
        peer.noise(write("/rtsep/prompt/1/text", WORDS[second % len(WORDS)]))
        print(*flood(peer, rate, 1.0), flush=True)


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


def round_trip(engine: Engine) -> int:
    """Samples from ``jack_iodelay``'s output through the engine, bypassed, to its input."""
    engine["bypass"] = 1.0
    meter = subprocess.Popen(["stdbuf", "-oL", "jack_iodelay"], stdout=subprocess.PIPE, text=True)
    try:
        connect()
        assert meter.stdout is not None
        found: list[int] = []
        for line in meter.stdout:
            if "total roundtrip" in line:
                found.append(round(float(line.split()[0])))
            if len(found) == READINGS:
                break
    finally:
        meter.terminate()
        meter.wait()
    engine["bypass"] = 0.0
    return statistics.mode(found)


def connect() -> None:
    """The engine between ``jack_iodelay``'s ports instead of the system's."""
    ports: list[str] = []
    deadline = time.monotonic() + 30
    while "jack_delay:in" not in ports:
        if time.monotonic() > deadline:
            raise RuntimeError("jack_iodelay does not come up")
        ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
    ours_in, ours_out = (
        next(port for port in ports if port.startswith(f"PortAudio:{end}")) for end in ("in", "out")
    )
    for tool, *ends in (
        ("jack_disconnect", "system:capture_1", ours_in),
        ("jack_connect", "jack_delay:out", ours_in),
        ("jack_connect", ours_out, "jack_delay:in"),
    ):
        subprocess.run([tool, *ends], capture_output=True, check=False)


def watch(seconds: float, panel: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait; returns the resident megabytes of the engine with its card and its server, and of the panel."""
    time.sleep(seconds)
    return sum(map(resident_mb, own(os.getpid()))), resident_mb(panel.pid)


def own(pid: int) -> Iterator[int]:
    """A process, and those below it in which a part of the engine runs."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        if re.search(rb"rtsep\.(live|audio\.card|osc)\0", Path(f"/proc/{child}/cmdline").read_bytes()):
            yield from own(int(child))


def resident_mb(pid: int) -> float:
    """Resident size of a process (man 5 proc); 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
