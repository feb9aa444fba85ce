"""Separators as plugins: what ships, by name; and what a package may do wrong costs itself alone."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import noise, random_sizes, tiny_bundle
from torch import Tensor

from rtsep.cli import main
from rtsep.control import Console
from rtsep.errors import BundleError, CommandError, ConfigError, EngineError
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline, Samples
from rtsep.separators import registry
from rtsep.separators.codecsep import CodecSep
from rtsep.separators.conditions import Conditions
from rtsep.separators.passthrough import Passthrough
from rtsep.separators.protocol import LiveSeparator
from rtsep.separators.registry import entries, installed, names, open_separator
from rtsep.separators.spectral_gate import NOISE, SOUND, SpectralGate

CPU = torch.device("cpu")


class Wrong(Passthrough):
    """Says that it makes one number of a prompt, and makes what ``found`` is."""

    found: object = torch.zeros(3)

    def condition(self, prompt: str) -> Tensor:
        assert isinstance(self.found, Tensor)
        return self.found


def pipeline(separator: LiveSeparator, console: Console, rate: int = 48_000, channels: int = 1) -> Pipeline:
    condition = Condition.of(console, Conditions(separator), separator.condition_size)
    return Pipeline(separator, condition, rate, channels)


def separated(separator: LiveSeparator, console: Console, x: Samples, rate: int = 48_000) -> Samples:
    return pipeline(separator, console, rate, x.shape[1]).push(x)


def tones_in_noise(seconds: float = 6.0) -> tuple[Samples, Samples]:
    """Short tones, and the noise that they are heard in, (n, 1) each."""
    time = np.arange(round(seconds * 48_000)) / 48_000
    tones = 0.3 * np.sin(2 * np.pi * 1000 * time) * (time % 0.5 < 0.15)
    return tones[:, None].astype(np.float32), noise(len(time), level=0.02)


def level_db(x: Samples) -> float:
    return float(10 * np.log10(np.mean(x.astype(np.float64) ** 2)))


def test_what_ships_comes_in_by_the_door_that_is_open_to_all() -> None:
    found = installed()
    assert {"default", "passthrough", "spectral-gate"} <= found.keys()
    assert {"default", "passthrough", "spectral-gate"} <= set(names())
    assert isinstance(open_separator("default", CPU), CodecSep)
    assert isinstance(open_separator("spectral-gate", CPU), SpectralGate)


def test_a_folder_is_a_bundle_and_runs_by_the_same_protocol(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "mine")
    opened = open_separator(str(tmp_path / "mine"), CPU)
    assert opened.name == "mine"
    model = bundle.separator
    assert (opened.hop, opened.lookahead, opened.sample_rate) == (
        model.hop,
        model.lookahead,
        model.sample_rate,
    )
    assert opened.condition_size == model.condition_size


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(BundleError, match=r"no bundle 'bees'.*packages have .*spectral-gate"):
        open_separator("bees", CPU)


@pytest.mark.parametrize(
    ("value", "said"),
    [("no_such_module:Thing", "ModuleNotFoundError"), ("math:pi", "TypeError"), ("rtsep:nothing", "Attrib")],
)
def test_a_package_that_cannot_be_used_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    point = EntryPoint("broken", value, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: (point,))
    with pytest.raises(ConfigError, match=f"broken of package unknown cannot be used .{said}"):
        open_separator("broken", CPU)
    listed = {entry.name: entry.said for entry in entries()}
    assert "default" in listed
    if said != "TypeError":
        assert "cannot be loaded" in listed["broken"]


def test_what_is_no_separator_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("text", "builtins:str", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: (point,))
    with pytest.raises(ConfigError, match="has no sample_rate, hop"):
        open_separator("text", CPU)


@pytest.mark.parametrize("found", [torch.zeros(3), torch.full((1,), torch.nan)])
def test_a_condition_that_is_not_as_promised_never_reaches_the_audio(found: Tensor) -> None:
    wrong = Wrong(CPU)
    wrong.found = found
    with pytest.raises(EngineError, match="separator passthrough: 'bees' becomes"):
        Conditions(wrong)("bees")


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("kind", [Passthrough, SpectralGate])
def test_a_stream_in_pieces_is_the_whole(kind: type[LiveSeparator], rate: int) -> None:
    x = noise(rate, 2)
    console = Console.of([SOUND, NOISE]).turned("prompt/1/gain", 3.0)
    whole = separated(kind(CPU), console, x, rate)
    made, chunks, at = pipeline(kind(CPU), console, rate, 2), [], 0
    for size in random_sizes(len(x), 3000):
        chunks.append(made.push(x[at : at + size]))
        at += size
    assert np.abs(np.concatenate(chunks) - whole).max() <= 1e-5
    assert whole.std() > 1e-3


def test_passthrough_gives_back_the_input_to_the_bit() -> None:
    x = noise(20_000, 2)
    y = separated(Passthrough(CPU), Console.of(["anything"]), x)
    assert np.array_equal(y, x[: len(y)])


def test_the_gate_takes_the_noise_from_between_tones_and_leaves_the_tones() -> None:
    tones, hiss = tones_in_noise()
    heard = separated(SpectralGate(CPU), Console.of([SOUND]), tones + hiss)
    on = tones[: len(heard), 0] != 0
    late = np.arange(len(heard)) > 4 * 48_000
    still = ~np.convolve(on, np.ones(4801), "same").astype(bool)
    assert level_db(heard[late & still]) < level_db(hiss[: len(heard)][late & still]) - 12
    assert abs(level_db(heard[late & on]) - level_db(tones[: len(heard)][late & on])) < 1


def test_sound_and_noise_are_all_there_is() -> None:
    tones, hiss = tones_in_noise(2.0)
    x = tones + hiss
    both = separated(SpectralGate(CPU), Console.of([SOUND, NOISE]), x)
    assert np.abs(both - x[: len(both)]).max() < 1e-5
    without = separated(SpectralGate(CPU), Console.of([], [NOISE]), x)
    assert np.abs(without - separated(SpectralGate(CPU), Console.of([SOUND]), x)).max() < 1e-5


def test_the_gate_is_silent_about_silence_and_says_what_it_understands() -> None:
    gate = SpectralGate(CPU)
    assert not separated(gate, Console.of([SOUND]), np.zeros((48_000, 1), np.float32)).any()
    with pytest.raises(CommandError, match="knows 'sound' and 'noise', not 'dog barking'"):
        gate.condition("dog barking")


def test_prompts_come_and_go_while_a_separator_without_weights_runs() -> None:
    x = noise(24_000)
    gate = SpectralGate(CPU)
    made = pipeline(gate, Console.of([SOUND]))
    first = made.push(x[:12_000])
    console = Console.of([SOUND, NOISE])
    made.set_condition(Condition.of(console, Conditions(gate), 1))
    y = np.concatenate([first, made.push(x[12_000:])])
    assert np.abs(y[16_000:] - x[16_000 : len(y)]).max() < 1e-5


def test_a_separator_is_chosen_by_name_on_the_command_line(tmp_path: Path) -> None:
    x = noise(9_600)
    soundfile.write(tmp_path / "in.wav", x, 48_000, "FLOAT")
    ends = ["-i", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
    with pytest.raises(SystemExit) as ended:
        main(["run", "--separator", "passthrough", "-p", "bees", *ends])
    assert not ended.value.code
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    assert np.abs(heard - x[:, 0]).max() < 2e-7  # written with 24 bits


def test_every_separator_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bundles"])
    said = capsys.readouterr().out
    assert "default: " in said
    assert "spectral-gate: steady noise and what stands out of it, without a model\n" in said
    assert "48000 Hz, hop 240, lookahead 720 (20 ms), package rtsep" in said


def test_the_list_for_machines_is_of_separators_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bundles", "--json"])
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert found.keys() == set(names())
    assert found["spectral-gate"]["said"] == "steady noise and what stands out of it, without a model"
    assert "lookahead 720" in found["spectral-gate"]["figures"]
