"""``rtsep run`` in a pipe, and told to end."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import builders
import numpy as np
import pytest
import soundfile
from cli_runs import command, read, write

from rtsep.audio import wav
from rtsep.cli import main


@pytest.mark.parametrize("raw_in", [False, True])
@pytest.mark.parametrize("raw_out", [False, True])
def test_pipes_carry_wav_or_raw_samples(
    home: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    raw_in: bool,
    raw_out: bool,
) -> None:
    samples = builders.noise(30_001, 2)
    data = samples.tobytes() if raw_in else wav.header(44_100, 2) + samples.tobytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    words = ["--device-rate", "44100", "--channels", "2"] if raw_in else []
    words += ["--raw"] if raw_out else []
    with pytest.raises(SystemExit) as ended:
        main(command(home, "--input", "-", "--output", "-", *words)[3:])
    assert not ended.value.code
    out = capfdbinary.readouterr().out
    if raw_out:
        heard = np.frombuffer(out, np.float32).reshape(-1, 2)
    else:
        heard, rate = soundfile.read(io.BytesIO(out), dtype="float32")
        assert rate == 44_100
    assert heard.shape == samples.shape
    assert np.abs(heard - samples).max() < 0.02


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finalises_the_file_and_prints_the_report(
    tmp_path: Path, home: Path, ending: signal.Signals
) -> None:
    words = ("--input", "-", "--output", tmp_path / "out.wav", "--json", tmp_path / "report.json")
    with subprocess.Popen(
        command(home, *words), stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        # More than a pipe holds: when all is taken, the run is under way, and waits for what never comes.
        samples = builders.noise(480_000)
        process.stdin.write(wav.header(48_000, 1))
        rest = memoryview(samples.tobytes())
        while rest:
            rest = rest[process.stdin.write(rest) :]
        process.send_signal(ending)
        said = process.stderr.read().decode()
        assert process.wait(20) == 0, said
    report = json.loads((tmp_path / "report.json").read_text())
    assert said.startswith(f"{report['seconds']:.1f} s, 0 dropouts")
    assert said.count("\n") == 1
    heard = read(tmp_path / "out.wav")
    assert len(heard) > 400_000
    assert np.abs(heard - samples[: len(heard)]).max() < 0.02


def test_a_closed_pipe_is_a_quiet_end(tmp_path: Path, home: Path) -> None:
    source = write(tmp_path / "in.wav", builders.noise(480_000))
    with subprocess.Popen(
        command(home, "--input", source, "--output", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0
