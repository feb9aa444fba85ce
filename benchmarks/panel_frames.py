"""How evenly the panel's pictures move, and what that costs.

A frame is what lies between two beats of the panel's pulse: reading what came in, moving meters and
spectrograms on, painting; its work is the processor time of the panel's thread in it. Beside it, in the
same seconds, a bare Qt timer in another process shows how late the machine itself is. ``panel_peer``, in
a process of its own, sends meters and spectra, and with
``--busy`` turns ten faders, a prompt and a switch thirty times a second besides.

    QT_QPA_PLATFORM=offscreen python benchmarks/panel_frames.py --seconds 30 --busy --json frames.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from gui.app import show
from gui.client import Client
from gui.panel import Panel

LONGEST_MS = 33.0
"""The bar: two frames at 60 a second."""
WARM_S = 2.0
BARE = """
import json, sys, time
from PyQt6.QtCore import QCoreApplication, Qt, QTimer
application, beats, timer = QCoreApplication([]), [], QTimer()
timer.setTimerType(Qt.TimerType.PreciseTimer)
timer.timeout.connect(lambda: beats.append(time.perf_counter()))
timer.start(16)
QTimer.singleShot(round(1000 * float(sys.argv[1])), application.exit)
application.exec()
frames = [1000 * (late - early) for early, late in zip(beats, beats[1:])]
print(json.dumps({"longest_ms": round(max(frames), 1), "over_33_ms": sum(each > 33 for each in frames)}))
"""
"""A timer that does nothing: what this machine can do at best."""


def main() -> None:
    """Measure, print a table, write JSON if asked to; with ``--check``, exit 1 if a frame was too long."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--busy", action="store_true", help="turn parameters all the while")
    parser.add_argument("--check", action="store_true", help=f"fail if a frame is over {LONGEST_MS:g} ms")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    application = QApplication(["rtsep"])
    with tempfile.TemporaryDirectory() as folder, _peer(options.busy) as port:
        settings = QSettings(f"{folder}/panel.ini", QSettings.Format.IniFormat)
        panel = show(application, Client(port=port), settings)
        report = _measure(panel, options.seconds) | {"busy": options.busy}
        panel.close()
    Console().print(_table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.check and report["over_33_ms"]:
        sys.exit(1)


def _measure(panel: Panel, seconds: float) -> dict[str, Any]:
    _run(WARM_S)
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(seconds)], stdout=subprocess.PIPE, text=True)
    beats: list[tuple[float, float]] = []
    panel.pulse.beat.connect(lambda: beats.append((time.perf_counter(), time.thread_time())))
    steal, cpu, start = _steal_s(), time.process_time(), time.perf_counter()
    _run(seconds)
    wall = time.perf_counter() - start
    frames, work = 1000 * np.diff(np.asarray(beats), axis=0).T
    late = json.loads(bare.communicate()[0])
    return {
        "seconds": round(wall, 1),
        "frames": len(frames),
        "frames_a_second": round(len(frames) / wall, 1),
        "p50_ms": round(float(np.percentile(frames, 50)), 1),
        "p99_ms": round(float(np.percentile(frames, 99)), 1),
        "longest_ms": round(float(frames.max()), 1),
        "over_33_ms": int((frames > LONGEST_MS).sum()),
        "work_p50_ms": round(float(np.percentile(work, 50)), 1),
        "work_p99_ms": round(float(np.percentile(work, 99)), 1),
        "work_longest_ms": round(float(work.max()), 1),
        "bare_timer_longest_ms": late["longest_ms"],
        "bare_timer_over_33_ms": late["over_33_ms"],
        "processor_percent": round(100 * (time.process_time() - cpu) / wall, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "processors": os.cpu_count(),
        "steal_s": round(_steal_s() - steal, 2),
        "platform": str(QApplication.platformName()),
    }


def _run(seconds: float) -> None:
    """Run Qt's own event loop, as the program does; QTest.qWait would sleep 10 ms at a time."""
    QTimer.singleShot(round(1000 * seconds), QApplication.exit)  # quit would close the window
    QApplication.exec()


def _steal_s() -> float:
    """Processor time that the hypervisor took from this machine so far, where Linux tells."""
    try:
        return int(Path("/proc/stat").read_text(encoding="ascii").split()[8]) / 100
    except (OSError, IndexError):
        return 0.0


@contextmanager
def _peer(busy: bool) -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("panel_peer.py")), "--port", "0"]
    with subprocess.Popen(
        [*command, "--busy"] if busy else command, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _table(report: dict[str, Any]) -> Table:
    table = Table("figure", "value", title="frames of the panel")
    for name, value in report.items():
        table.add_row(name, str(value))
    return table


if __name__ == "__main__":
    main()
