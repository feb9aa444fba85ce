"""Presets on the command line."""

from pathlib import Path

import builders
import numpy as np
import pytest
from cli_runs import Run, read, write

from rtsep.cli import main
from rtsep.config import run_settings
from rtsep.presets import Presets


@pytest.mark.parametrize("name", Presets().names())
def test_presets_hold_and_flags_win(name: str) -> None:
    settings, console = run_settings(name, {})
    assert str(console) != "-"
    turned_settings, turned = run_settings(name, {"reserve_ms": 99.0}, turned={"wet": 0.25})
    assert console.changes(turned) == {"wet": 0.25}
    assert turned_settings == settings.model_copy(update={"reserve_ms": 99.0})


def test_a_preset_with_an_unknown_key_names_file_key_and_what_is_allowed(tmp_path: Path, rtsep: Run) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('prompt.1.text = "rain"\nloudness = 3\n')
    code, said = rtsep("--preset", preset)
    assert (code, said.count("\n")) == (2, 1)
    assert f"{preset}: unknown key 'loudness'; known are prompt.1.text to prompt.8.negative, " in said


def test_a_preset_with_a_prompt_needs_no_other(tmp_path: Path, rtsep: Run) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('prompt.1.text = "dog barking"\ngain = -20\n[run]\nchannels = 1\n')
    samples = builders.noise(24_000, 2)
    source = write(tmp_path / "in.wav", samples)
    assert rtsep("--preset", preset, "-i", source, "-o", tmp_path / "out.wav", prompt=("run",)).code == 0
    heard = read(tmp_path / "out.wav")
    assert heard.shape == (24_000, 1)
    assert np.abs(heard - 0.1 * samples.mean(axis=1, keepdims=True))[4800:].max() < 0.01


def test_presets_are_listed_with_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["presets"])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == Presets().names()
    assert "no-rain: (not) rain + (not) wind" in lines


def test_a_preset_that_is_broken_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtsep.presets.user_config_path", lambda _: tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "a.toml").write_text("loudness = 3")
    with pytest.raises(SystemExit) as ended:
        main(["presets"])
    found = capsys.readouterr()
    assert not ended.value.code
    assert len(found.out.splitlines()) == len(Presets().names()) - 1
    assert found.err.startswith("a cannot be used: ") and found.err.count("\n") == 1
