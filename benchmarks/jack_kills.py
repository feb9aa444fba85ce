"""``kill -9`` of a JACK server under a live engine, and restart, many times over.

A server of our own is killed while ``rtsep run`` plays on it, and started again once the engine has noticed.
What is timed: from the server's first answer after the restart until the engine says over OSC that nothing
troubles it and has taken more sound. While the server is away nothing can sound; what must not change is the
prompt.

    python benchmarks/jack_kills.py --rounds 50 --json kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import signal
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
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from rich.console import Console
from rich.table import Table

BACK_S = 180.0
"""How long an engine is waited for before it counts as lost: its start loads all libraries."""


def main() -> None:
    """Measure, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options.rounds, options.bundle, options.prompt, options.block)
    table = Table("figure", "value", title=f"kill -9 of jackd and restart, {options.rounds} times")
    for name, value in report.items():
        if not isinstance(value, list):
            table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def measure(rounds: int, bundle: str, prompt: str, block: int = 256) -> dict[str, Any]:
    """Kill and restart ``rounds`` times; returns the seconds of each return and what was kept."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        first = stack.enter_context(ExitStack())
        environment = first.enter_context(jack_server.server(folder, period=block))
        engine = stack.enter_context(running(environment, bundle, prompt))
        engine.until_sound()
        back, kept = [], 0
        for _ in range(rounds):
            os.kill(int(environment["JACK_SERVER_PID"]), signal.SIGKILL)
            noticed = engine.until(lambda: bool(engine.ask("/rtsep/fault")))
            first.close()
            environment = first.enter_context(jack_server.server(folder, period=block))
            started = time.monotonic()
            engine.until_sound()
            back.append(time.monotonic() - started)
            kept += noticed and engine.ask("/rtsep/prompt/1/text") == prompt
        return {
            "rounds": rounds,
            "came_back": len(back),
            "prompt_kept": kept,
            "back_median_s": statistics.median(back),
            "back_worst_s": max(back),
            "within_2_s": sum(each <= 2 for each in back),
            "load_average": os.getloadavg()[0],
            "back_s": back,
        }


class Running:
    """An ``rtsep run`` that listens for OSC."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)
        self._socket.connect(("127.0.0.1", port))

    def ask(self, address: str) -> Any:
        """The first value at an address; None if it does not answer."""
        try:
            self._socket.send(OscMessageBuilder(address).build().dgram)
            while True:
                answer = OscMessage(self._socket.recv(4096))
                if answer.address == address:
                    return answer.params[0]
        except OSError:
            return None

    def until(self, true: Any) -> bool:
        """Wait until something is true; raises if it never is."""
        deadline = time.monotonic() + BACK_S
        while not true():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"the engine did not come back (code {self.process.poll()})")
            time.sleep(0.02)
        return True

    def until_sound(self) -> None:
        """Wait until nothing troubles it and sound goes through."""
        self.until(lambda: self.ask("/rtsep/fault") == "")
        before = self.ask("/rtsep/seconds")
        self.until(lambda: (self.ask("/rtsep/seconds") or 0) > (before or 0))

    def close(self) -> None:
        """End it."""
        self._socket.close()


@contextmanager
def running(environment: dict[str, str], bundle: str, prompt: str, *flags: str) -> Iterator[Running]:
    """``rtsep run`` as long as the block lasts; it must end in good order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rtsep", "run", "--bundle", bundle, "--prompt", prompt]
    process = subprocess.Popen(
        [*command, "--osc", "--osc-port", str(port), *flags],
        env=environment,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    engine = Running(process, port)
    try:
        yield engine
        process.send_signal(signal.SIGINT)
        if process.wait(30) != 0:
            raise RuntimeError(f"the engine ended with code {process.returncode}")
    finally:
        process.kill()
        process.wait()
        engine.close()


if __name__ == "__main__":
    main()
