"""Settings: a preset, then flags, which win; what is wrong is named with its file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rtsep.compute import compute_device
from rtsep.config import RunSettings, parse_value, run_settings
from rtsep.control import PARAMETERS, Console
from rtsep.errors import CommandError, ConfigError
from rtsep.presets import Presets

DEFAULTS = RunSettings.model_validate({})


def message(preset: str | None, given: dict[str, object], **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run_settings(preset, given, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    return str(path)


def test_nothing_given_is_the_defaults() -> None:
    assert run_settings(None, {}) == (DEFAULTS, Console())


def test_flags_win_over_the_preset_and_the_preset_over_the_defaults(tmp_path: Path) -> None:
    preset = written(
        tmp_path,
        'prompt.1.text = "dog"\nprompt.5.text = "bell"\ngain = -3\nwet = 0.5\n'
        "[run]\nblock = 128\nreserve_ms = 40\n",
    )
    settings, console = run_settings(
        preset, {"block": 64}, keep=("cat", "car"), turned={"wet": 0.25, "prompt/2/gain": -6.0}
    )
    assert (settings.block, settings.reserve_ms, settings.bundle) == (64, 40, DEFAULTS.bundle)
    assert (console.gain_db, console.wet, str(console)) == (-3, 0.25, "cat + car")
    assert console.strips[1].gain_db == -6
    _, as_it_is = run_settings(preset, {})
    assert str(as_it_is) == "dog + bell"


def test_a_prompt_to_remove_takes_the_place_of_the_presets_as_well(tmp_path: Path) -> None:
    preset = written(tmp_path, 'prompt.1.text = "dog"\n')
    assert str(run_settings(preset, {}, remove=("rain",))[1]) == "(not) rain"
    with pytest.raises(CommandError, match="9 prompts, at most 8"):
        run_settings(preset, {}, keep=("x",) * 8, remove=("y",))


def test_an_unknown_key_of_a_run_names_the_file_the_key_and_what_is_allowed(tmp_path: Path) -> None:
    preset = written(tmp_path, "[run]\nvolume = 3\n")
    text = message(preset, {})
    assert text.startswith(f"{preset}: unknown key run.volume; known are input, ")
    assert all(name in text for name in RunSettings.model_fields)


WRONG = [
    ("channels", 3),
    ("duration", 0.0),
    ("duration", float("nan")),
    ("duration", float("inf")),
    ("reserve_ms", float("inf")),
    ("reserve_ms", -1.0),
    ("compute", "tpu"),
    ("device_rate", 100),
    ("block", -1),
    ("block", 10_000),
    ("osc_port", 65_536),
    ("osc_port", -1),
    ("stems", 3),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_setting_that_is_not_allowed_names_where_it_stands(tmp_path: Path, key: str, value: object) -> None:
    assert message(None, {key: value}).startswith(f"--{key.replace('_', '-')} is {value!r}: ")
    preset = written(tmp_path, f"[run]\n{key} = {value if not isinstance(value, str) else repr(value)}\n")
    assert message(preset, {}).startswith(f"run.{key} in {preset} is ")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gain", 25.0, "--gain: gain is 25, but must be from -60 to 24 dB"),
        ("gain", float("nan"), "--gain: gain is nan, but must be from -60 to 24 dB"),
        ("wet", -0.1, "--wet: wet is -0.1, but must be from 0 to 1"),
        ("wet", float("inf"), "--wet: wet is inf, but must be from 0 to 1"),
        ("full_band", 2.0, "--full-band: full_band is 2.0, but must be on or off (1 or 0)"),
        ("prompt/1/gain", 30.0, "--set: prompt/1/gain is 30, but must be from -60 to 24 dB"),
        ("residual/mute", "x", "--set: residual/mute is 'x', but must be a number"),
    ],
)
def test_a_parameter_that_is_not_allowed_names_where_it_stands(
    tmp_path: Path, name: str, value: object, said: str
) -> None:
    assert message(None, {}, turned={name: value}) == said
    preset = written(tmp_path, f"{name.replace('/', '.')} = {value if value != 'x' else repr(value)}\n")
    assert message(preset, {}) == f"{preset}: {said.partition(': ')[2]}"


@pytest.mark.parametrize(
    ("content", "start"), [("wet = 7\n", "{}: wet is 7"), ("[run]\nblock = -1\n", "run.block in {} is -1")]
)
def test_a_wrong_preset_is_named_even_where_a_flag_would_win(
    tmp_path: Path, content: str, start: str
) -> None:
    preset = written(tmp_path, content)
    assert message(preset, {"block": 64}, turned={"wet": 0.5}).startswith(start.format(preset))


def test_an_unknown_preset_lists_those_there_are(tmp_path: Path) -> None:
    presets = Presets(tmp_path)
    presets.save("mine", Console.of(["dog"]))
    text = message("nosuch", {}, presets=presets)
    assert text.startswith("no preset 'nosuch': have ")
    assert "mine" in text
    assert all(name in text for name in presets.names())
    assert str(run_settings("mine", {}, presets=presets)[1]) == "dog"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULTS.block = 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt/1/gain=-6", ("prompt/1/gain", -6.0)),
        ("bypass=true", ("bypass", 1.0)),
        ("full_band=false", ("full_band", 0.0)),
        ("residual/mute=0", ("residual/mute", 0.0)),
        ("prompt/2/text=a=b", ("prompt/2/text", "a=b")),
        ("prompt/8/text=12", ("prompt/8/text", "12")),
        ("prompt/1/text=", ("prompt/1/text", "")),
    ],
)
def test_a_value_in_words_is_what_its_parameter_wants(text: str, expected: tuple[str, float | str]) -> None:
    assert parse_value(text) == expected
    assert Console().turned(*expected)[expected[0]] == PARAMETERS[expected[0]].check(expected[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wet", "give NAME=VALUE"),
        ("", "give NAME=VALUE"),
        ("loudness=3", "give NAME=VALUE with a name from the table"),
        ("prompt/9/gain=0", "give NAME=VALUE with a name from the table"),
        ("wet=much", "'much' is no number"),
        ("bypass=on", "'on' is no number"),
    ],
)
def test_what_is_no_value_in_words_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_value(text)
    assert str(caught.value).startswith(f"--set {text!r}: {said}")
    assert "\n" not in str(caught.value)


def test_the_model_runs_where_it_is_told_if_there_is_such_a_place() -> None:
    assert compute_device("cpu") == torch.device("cpu")
    assert compute_device("auto").type in {"cpu", "cuda", "mps"}
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    missing = next(name for name, there in have.items() if not there)
    with pytest.raises(ConfigError, match=f"--compute {missing}: this machine has .*cpu"):
        compute_device("mps" if missing == "mps" else "cuda")


def test_stems_have_everything_else_unless_it_is_muted_by_name() -> None:
    assert not run_settings(None, {"stems": True}, keep=("dog",))[1].residual.mute
    assert run_settings(None, {"stems": True}, keep=("dog",), turned={"residual/mute": 1})[1].residual.mute
    assert run_settings(None, {}, keep=("dog",))[1].residual.mute
