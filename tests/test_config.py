"""Settings: a preset, then flags, which win; what is wrong is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from rtsep.compute import compute_device
from rtsep.config import PRESETS, RunSettings, preset_names, run_settings
from rtsep.control import SetPrompts
from rtsep.errors import CommandError, ConfigError

DEFAULTS = RunSettings.model_validate({})


def message(preset: str | None, **given: object) -> str:
    with pytest.raises(ConfigError) as caught:
        run_settings(preset, given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    return str(path)


def test_nothing_given_is_the_defaults() -> None:
    assert run_settings(None, {}) == DEFAULTS


def test_flags_win_over_the_preset_and_the_preset_over_the_defaults(tmp_path: Path) -> None:
    preset = written(tmp_path, 'prompt = ["dog"]\ngain_db = -3\nwet = 0.5\nblock = 128\n')
    settings = run_settings(preset, {"wet": 0.25, "prompt": ["cat", "car"]})
    assert (settings.gain_db, settings.wet, settings.block) == (-3, 0.25, 128)
    assert settings.prompts == SetPrompts(("cat", "car"))
    assert settings.bundle == DEFAULTS.bundle


def test_an_unknown_key_names_the_file_the_key_and_what_is_allowed(tmp_path: Path) -> None:
    preset = written(tmp_path, "volume = 3\n")
    text = message(preset)
    assert text.startswith(f"{preset}: unknown key 'volume'; known are prompt, remove, ")
    assert all(name in text for name in RunSettings.model_fields)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gain_db", 25.0),
        ("gain_db", float("nan")),
        ("wet", -0.1),
        ("wet", float("inf")),
        ("full_band", 2.0),
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
        ("prompt", 3),
    ],
)
def test_a_value_that_is_not_allowed_names_where_it_stands(tmp_path: Path, key: str, value: object) -> None:
    flag = {"gain_db": "--gain"}.get(key, "--" + key.replace("_", "-"))
    assert message(None, **{key: value}).startswith(f"{flag} is {value!r}: ")
    preset = written(tmp_path, f"{key} = {value if not isinstance(value, str) else repr(value)}\n")
    assert message(preset).startswith(f"{key} in {preset} is ")


def test_a_wrong_preset_is_named_even_where_a_flag_would_win(tmp_path: Path) -> None:
    preset = written(tmp_path, "wet = 7\n")
    assert message(preset, wet=0.5).startswith(f"wet in {preset} is 7")


@pytest.mark.parametrize("content", [b"wet = = 3", b"\xff\xfe", b"wet"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "preset.toml"
    path.write_bytes(content)
    assert message(str(path)).startswith(f"{path}: ")


def test_an_unknown_preset_lists_those_there_are() -> None:
    text = message("nosuch")
    assert text.startswith("no preset 'nosuch'")
    assert all(name in text for name in preset_names())


def test_every_preset_that_ships_is_valid() -> None:
    assert preset_names() == sorted(path.stem for path in PRESETS.glob("*.toml"))
    for name in preset_names():
        settings = run_settings(name, {})
        assert settings.prompts
        assert settings != DEFAULTS


def test_settings_without_a_prompt_have_no_prompts() -> None:
    with pytest.raises(CommandError, match="no prompt"):
        _ = DEFAULTS.prompts


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULTS.wet = 0.5


def test_the_model_runs_where_it_is_told_if_there_is_such_a_place() -> None:
    assert compute_device("cpu") == torch.device("cpu")
    assert compute_device("auto").type in {"cpu", "cuda", "mps"}
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    missing = next(name for name, there in have.items() if not there)
    with pytest.raises(ConfigError, match=f"--compute {missing}: this machine has .*cpu"):
        compute_device("mps" if missing == "mps" else "cuda")
