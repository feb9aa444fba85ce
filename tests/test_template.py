"""The template package, installed as a user would, without a network: listed, run live, conforming."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[1] / "examples" / "separator-template"

LIVE = """
import sys
import numpy as np
import pytest
import rtsep
from rtsep.audio.fake import FakeDevice
from rtsep.cli import main
from rtsep.conformance.__main__ import main as conformance

class Driven(FakeDevice):
    def wait(self, timeout_s):
        self.tick()
        return super().wait(0)

time = np.arange(24_000) / 48_000
tone = np.sin(2 * np.pi * 60 * time).astype(np.float32)[:, None]
device = Driven(tone, 48_000, 256)
with rtsep.Engine("low", separator="low-high", device=device) as engine:
    while engine.running and not device.exhausted:
        engine.wait(0.01)
    late = engine.latency.engine
heard = device.played[late + 4800 : late + 14_400]
assert np.abs(heard - tone[4800 : 4800 + len(heard)]).max() < 0.03, "not what was played"
for program, line in (
    (main, "rtsep bundles"), (main, "rtsep bundles --json"), (conformance, "conformance separator-template")
):
    sys.argv = line.split()
    try:
        program()
    except SystemExit as ended:
        print("ended", ended.code or 0)
print("its own tests ended", int(pytest.main(["-q", "-p", "no:cacheprovider", "tests"])))
"""


def test_the_template_is_listed_runs_live_and_conforms_in_a_clean_place(tmp_path: Path) -> None:
    source = shutil.copytree(TEMPLATE, tmp_path / "source")  # building leaves traces
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
    subprocess.run([sys.executable, *install, tmp_path / "place", source], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "place"), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", LIVE], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "low-high: low sounds and high ones, by a moving average\n" in done.stdout
    assert "lookahead 31 (5.64583 ms), package separator-template" in done.stdout
    assert '{"name": "low-high", "said": "low sounds' in done.stdout, "what the panel offers"
    assert done.stdout.count("ended 0") == 4, done.stdout
    assert "│ NO" not in done.stdout
    assert "2 passed" in done.stdout
    assert "its own tests ended 0" in done.stdout
