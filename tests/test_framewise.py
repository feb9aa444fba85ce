"""Sound in pieces and frame by frame, from Python: the same as over files, for NumPy and for torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import noise, random_sizes

import rtsep
from rtsep.errors import AudioFileError, CommandError, ConfigError
from rtsep.separators.spectral_gate import SpectralGate

CPU = torch.device("cpu")


def test_pieces_and_the_rest_are_as_long_as_the_input_and_the_same_as_at_once() -> None:
    x = noise(30_001)[:, 0]
    stream = rtsep.Stream("sound", separator="spectral-gate")
    pieces, at = [], 0
    for size in random_sizes(len(x), 2000):
        pieces.append(stream.feed(x[at : at + size]))
        at += size
    assert stream.held > 0
    heard = np.concatenate([*pieces, stream.flush()])
    assert heard.shape == x.shape
    at_once = rtsep.Stream("sound", separator="spectral-gate")
    assert np.abs(np.concatenate([at_once.feed(x), at_once.flush()]) - heard).max() < 1e-5


def test_a_flushed_stream_begins_anew() -> None:
    x = noise(10_000, 2)
    stream = rtsep.Stream("noise", separator="spectral-gate", channels=2, sample_rate=44_100)
    first = np.concatenate([stream.feed(x), stream.flush()])
    assert stream.held == 0
    assert np.array_equal(np.concatenate([stream.feed(x), stream.flush()]), first)


def test_tensors_come_back_as_tensors() -> None:
    x = torch.from_numpy(noise(5_000, 2))
    stream = rtsep.Stream("anything", separator="passthrough", channels=2)
    heard = torch.cat([stream.feed(x), stream.flush()])
    assert torch.equal(heard, x)


def test_a_stream_is_turned_while_it_runs() -> None:
    x = noise(48_000)[:, 0]
    stream = rtsep.Stream("anything", separator="passthrough")
    before = stream.feed(x[:24_000])
    stream["prompt/1/gain"] = -6.0
    stream["gain"] = -6.0
    y = np.concatenate([before, stream.feed(x[24_000:])])
    assert np.array_equal(y[:20_000], x[:20_000])
    assert np.allclose(y[30_000:], 10 ** (-12 / 20) * x[30_000 : len(y)], atol=1e-6)
    with pytest.raises(CommandError, match="no parameter 'loudness'"):
        stream["loudness"] = 1.0


def test_stems_stand_side_by_side_and_add_up_to_the_input() -> None:
    x = noise(20_000)[:, 0]
    stream = rtsep.Stream(["sound"], separator="spectral-gate", stems=True)
    heard = np.concatenate([stream.feed(x), stream.flush()])
    assert heard.shape == (20_000, 2)
    assert np.abs(heard.sum(axis=1) - x).max() < 1e-5


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_steps_are_the_stream_at_the_separators_own_rate_late_by_its_lookahead(kind: str) -> None:
    x = noise(240 * 60)[:, 0]
    separator = rtsep.Separator(remove="noise", separator="spectral-gate")
    assert (separator.sample_rate, separator.hop) == (48_000, 240)
    state, frames = separator.initial_state(), []
    for frame in x.reshape(-1, separator.hop):
        given = torch.from_numpy(frame) if kind == "torch" else frame
        y, state = separator.step(given, state)
        assert type(y) is type(given)
        frames.append(np.asarray(y))
    heard = np.concatenate(frames)
    assert heard.shape == x.shape
    expected = rtsep.Stream(remove="noise", separator="spectral-gate").feed(x)
    length = len(x) - separator.lookahead
    assert np.abs(heard[separator.lookahead :][:length] - expected[:length]).max() < 1e-5


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_what_is_not_a_number_is_taken_as_zero_and_leaves_nothing_behind(bad: float) -> None:
    separator = rtsep.Separator("noise", separator="spectral-gate")
    broken = noise(separator.hop)[:, 0]
    broken[7:9] = bad
    mended = np.where(np.abs(broken) <= 1, broken, np.float32(0))
    heard = [separator.step(each, separator.initial_state()) for each in (broken, mended)]
    assert np.array_equal(heard[0][0], heard[1][0])
    after = noise(separator.hop, seed=1)[:, 0]
    assert np.array_equal(*(separator.step(after, state)[0] for _, state in heard))


def test_an_old_state_is_a_snapshot() -> None:
    x = noise(480)[:, 0]
    separator = rtsep.Separator("sound", separator=SpectralGate(CPU))
    _, snapshot = separator.step(x, separator.initial_state())
    first, _ = separator.step(x, snapshot)
    again, _ = separator.step(x, snapshot)
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    "wrong", [np.zeros(480, np.int16), np.zeros((480, 2), np.float32), np.zeros(100, np.float32)]
)
def test_what_is_no_sound_of_that_form_is_refused_with_its_shape(wrong: np.ndarray) -> None:
    separator = rtsep.Separator("anything", separator="passthrough")
    with pytest.raises(AudioFileError, match=r"int16|\(480, 2\)|100 samples are no whole number of hops"):
        separator.step(wrong, separator.initial_state())


def test_settings_that_do_not_exist_are_refused_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError):
        rtsep.Stream("speech", separator="passthrough", comput="cpu")
