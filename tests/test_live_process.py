"""``rtsep.Engine`` on a real sound card, a JACK server's: what runs in a process of its own is as in this."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

import rtsep
from rtsep.errors import CommandError, DeviceError, EngineError
from rtsep.live.process import SessionProcess

PATIENCE_S = 60.0


def until(condition: Callable[[], object]) -> None:
    """Wait for what must come."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def process_of(engine: rtsep.Engine) -> int:
    """The process that it runs in."""
    assert isinstance(engine._played, SessionProcess)
    return engine._played.pid


@pytest.fixture
def card(jack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in jack_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_MUSIC_DIR", str(tmp_path))
    yield


@pytest.fixture
def engine(card: None) -> Iterator[rtsep.Engine]:
    with rtsep.Engine("anything", separator="passthrough", reserve_ms=40) as found:
        yield found


def test_it_plays_in_another_process_until_its_block_ends(card: None) -> None:
    with rtsep.Engine("anything", separator="passthrough", reserve_ms=40) as engine:
        pid = process_of(engine)
        assert pid != os.getpid()
        assert engine.running
        assert engine.latency.total > engine.latency.hop > 0
        until(lambda: engine.status.hops >= 20)
        assert engine.status.separator == "passthrough"
    assert not engine.running
    assert not engine.status.fault
    assert engine.status.seconds > 0.1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    engine.close()


def test_its_parameters_are_turned_and_refused_as_anywhere(engine: rtsep.Engine) -> None:
    engine["prompt/1/gain"] = -6
    engine["prompt/1/text"] = "something else"
    assert (engine["prompt/1/gain"], engine["prompt/1/text"]) == (-6.0, "something else")
    until(lambda: engine.status.console["prompt/1/gain"] == -6.0)
    with pytest.raises(CommandError, match="no parameter 'treble'"):
        engine["treble"] = 1.0
    assert engine.running


def test_what_it_records_can_be_read(engine: rtsep.Engine, tmp_path: Path) -> None:
    engine.record()
    until(lambda: engine.status.recording)
    folder = Path(engine.status.recording)
    engine.wait(0.3)
    engine.record(False)
    until(lambda: not engine.status.recording)
    engine.close()
    assert folder.is_relative_to(tmp_path)
    assert all(soundfile.info(path).frames > 0 for path in folder.glob("*.flac"))
    assert len(list(folder.glob("*.flac"))) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"prompts": "dog barking", "separator": "spectral-gate"}, CommandError, "spectral-gate knows"),
        ({"prompts": "x", "separator": "passthrough", "input": "scarlett"}, DeviceError, "scarlett"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    card: None, arguments: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as found:
        rtsep.Engine(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(found.value)


def test_what_cannot_be_started_lets_go_of_everything(card: None) -> None:
    engine = rtsep.Engine("x", separator="passthrough", osc=True, osc_host="192.0.2.1")
    pid = process_of(engine)
    with pytest.raises(rtsep.RtsepError, match=r"192\.0\.2\.1"), engine:
        pytest.fail("it has started")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_is_killed_is_noticed_and_said(card: None) -> None:
    with pytest.raises(EngineError, match="has ended"), rtsep.Engine("x", separator="passthrough") as engine:
        os.kill(process_of(engine), signal.SIGKILL)
        until(lambda: not engine.running)
        assert "code -9" in engine.status.fault
        with pytest.raises(EngineError, match="has stopped"):
            engine["wet"] = 0.5
    assert not engine.running


def test_a_signal_to_end_is_for_the_program_that_has_it_which_ends_it_in_good_order(
    engine: rtsep.Engine,
) -> None:
    until(lambda: engine.status.hops >= 5)
    os.kill(process_of(engine), signal.SIGTERM)  # as to a whole control group
    hops = engine.status.hops
    until(lambda: engine.status.hops >= hops + 20)
    assert engine.running
    assert not engine.status.fault


def test_it_ends_with_the_program_that_has_it(card: None) -> None:
    program = """
import os, rtsep
engine = rtsep.Engine("x", separator="passthrough")
with engine:
    print(engine._played.pid, flush=True)
    os.kill(os.getpid(), 9)
"""
    found = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert found.returncode == -9
    pid = int(found.stdout)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)


def test_the_program_that_has_it_does_not_load_torch(card: None) -> None:
    program = """
import sys, rtsep
with rtsep.Engine("x", separator="passthrough"):
    print(*{"torch", "onnxruntime"} & sys.modules.keys())
"""
    found = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert found.stdout == "\n"
