"""Starts, stops and kills in random order: does anything stay behind?

Most rounds are an ``rtsep.Engine`` on a JACK dummy server: it is let run for a random moment, records or not,
loses its card's process or its own (``kill -9``) or neither, and is stopped. Every tenth is a whole
``rtsep run`` with OSC, which is asked to end, hung up on or killed, while it starts or while it plays.

After each round there must be no thread and no process that was not there before, no open file more, nothing
in the folder for temporary files, no shared memory with a name, and every recording must be readable to its
end; half a file would be one that is not.

    python benchmarks/lifecycle.py --rounds 100 --json lifecycle.json
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jack_server
import soundfile
from rich.console import Console as Screen
from rich.table import Table

from rtsep.errors import RtsepError
from rtsep.live.engine import Engine

WHOLE_EVERY = 10
"""Every so many rounds a whole program."""

INSIDE = ("stopped at once", "stopped", "recorded", "card killed", "engine killed", "not started")
"""What may happen to an engine."""

KILLED = {"card killed": "rtsep.audio.card", "engine killed": "rtsep.live"}
"""The process that is then killed."""

CACHES = ("torchinductor_",)
"""What PyTorch keeps among temporary files for the next run, one folder a user."""

ENDS_S = 30.0
"""How long what is ending may take to be gone; a killed program's children notice by themselves."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
MARK = "RTSEP_LIFECYCLE"
"""In the environment of every process that this program starts, and of theirs."""


def main() -> None:
    """Start, stop and kill, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--separator", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, jack_server.server(Path(folder)) as environment:
        temporary = Path(folder) / "tmp"
        temporary.mkdir()
        os.environ.update(environment | {"TMPDIR": str(temporary), MARK: str(os.getpid())})
        os.environ["XDG_MUSIC_DIR"] = folder  # where recordings go
        tempfile.tempdir = str(temporary)
        report = lifecycle(options, Path(folder))
    table = Table("figure", "value", title=f"{options.rounds} starts, stops and kills")
    for name, value in report.items():
        table.add_row(name.replace("_", " "), f"{value:.1f}" if isinstance(value, float) else str(value))
    Screen().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(report["left_behind"]))


def lifecycle(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All rounds; what each left behind, by kind, and how often what was done."""
    chance = random.Random(options.seed)
    done: Counter[str] = Counter()
    left: list[str] = []
    began = time.monotonic()
    for _ in range(2 * len(INSIDE)):
        inside(chance, options.separator, folder)  # libraries keep what they open the first time
    before = Trace.now()
    for number in range(1, options.rounds + 1):
        whole = number % WHOLE_EVERY == 0
        what = (program if whole else inside)(chance, options.separator, folder)
        done[what] += 1
        found = [f"round {number} ({what}): {each}" for each in before.left() + unreadable(folder)]
        print(*found, sep="\n", end="\n" * bool(found), file=sys.stderr, flush=True)
        left += found
        before.files = max(before.files, open_files())  # what is left counts once
    return {
        "rounds": options.rounds,
        "seconds": time.monotonic() - began,
        **{f"of_them_{what}".replace(" ", "_"): count for what, count in sorted(done.items())},
        "left_behind": left,
        "open_files_before": before.files,
        "open_files_after": open_files(),
        "load_average": os.getloadavg()[0],
    }


def inside(chance: random.Random, separator: str, folder: Path) -> str:
    """An engine, started, perhaps crippled, and stopped; returns what was done."""
    what = chance.choice(INSIDE)
    live = Engine("speech", separator=separator)
    try:
        if what != "not started":
            with live:
                if what in ("recorded", "card killed"):
                    live.record()
                if what != "stopped at once":
                    live.wait(chance.uniform(0.05, 0.6))
                if what in KILLED:
                    for pid in marked():
                        if KILLED[what] in command_of(pid).split():
                            os.kill(pid, signal.SIGKILL)
                    live.wait(chance.uniform(0.0, 1.0))
    except RtsepError as error:
        what = f"{what}: {error}"
    finally:
        live.close()
    return what


def program(chance: random.Random, separator: str, folder: Path) -> str:
    """A whole ``rtsep run``, ended in one of several ways at a random moment; returns what was done."""
    output = folder / "output.wav"
    command = [sys.executable, "-m", "rtsep", "run", "--prompt", "speech", "--separator", separator]
    command += ["--output", str(output)] if chance.random() < 0.5 else ["--osc", "--osc-port", "0"]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(chance.uniform(0.0, 15.0))
    ending = chance.choice(ENDINGS)
    run.send_signal(ending)
    code = run.wait(ENDS_S)
    if output.exists() and output.stat().st_size == 0:
        output.unlink()  # killed as it was made: there was no sound yet
    return f"program ended by {ending.name} with {code}"


class Trace:
    """What is there, to be compared with what is there later."""

    def __init__(self, threads: set[str], shared: set[str], files: int) -> None:
        self.threads, self.shared, self.files = threads, shared, files

    @classmethod
    def now(cls) -> Trace:
        """As it is."""
        threads = {thread.name for thread in threading.enumerate()}
        return cls(threads, shared_memory(), open_files())

    def left(self) -> list[str]:
        """What there is more than then; it is waited for, as the system takes its time to bury."""
        gc.collect()  # the mapping of an engine that is gone goes with its last user, some of them in cycles
        deadline = time.monotonic() + ENDS_S
        while (found := self._found()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _found(self) -> list[str]:
        now = Trace.now()
        found = [f"thread {name}" for name in now.threads - self.threads]
        found += [f"process {pid}: {command_of(pid)}" for pid in marked()]
        found += [f"shared memory {name}" for name in now.shared - self.shared]
        temporary = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
        found += [f"temporary file {name}" for name in temporary if not name.startswith(CACHES)]
        found += [f"{now.files - self.files} open files"] * (now.files > self.files)
        return found


def marked() -> list[int]:
    """Processes that descend from this one, wherever they hang in the tree by now."""
    mark, found = f"{MARK}={os.getpid()}".encode(), []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return [pid for pid in found if pid != os.getpid()]


def command_of(pid: int) -> str:
    """Its command line, as far as it is still there."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80]
    except OSError:
        return "gone"


def shared_memory() -> set[str]:
    """Names in shared memory that are not a JACK server's."""
    return {path.name for path in Path("/dev/shm").iterdir() if "jack" not in path.name}


def open_files() -> int:
    """Files that this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path.iterdir opens one itself


def unreadable(folder: Path) -> list[str]:
    """Recordings below a folder that are not whole; all are removed."""
    found = []
    for path in folder.rglob("*"):
        if path.suffix in (".wav", ".flac"):
            try:
                sound, _ = soundfile.read(path)
                promised = soundfile.info(path).frames
            except soundfile.LibsndfileError as error:
                found.append(f"{path.name} ({path.stat().st_size} bytes): {error}")
                continue
            finally:
                path.unlink()
            if len(sound) != promised:
                found.append(f"{path.name}: {len(sound)} of {promised} samples")
    return found


if __name__ == "__main__":
    main()
