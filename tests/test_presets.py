"""Presets: what is saved is loaded again, and what is wrong is named with file, key and what is allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rtsep.config import run_settings
from rtsep.control import PARAMETERS, Console, Insert, InsertSpec, Parameter
from rtsep.errors import CommandError, ConfigError
from rtsep.presets import SHIPPED, Presets

SHIPPED_NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "own")


GAIN = Parameter("insert/1/param/gain_db", "Gain", 0.0, -60.0, 24.0, "dB")
RACK = (Insert(1, InsertSpec("Gain", "prompt/1", (("gain_db", 0.0),)), (GAIN,), (-6.0,), enable=False),)
"""An effect as it stands on a console."""


def refused(presets: Presets, content: bytes) -> str:
    """What is said of a preset of this content; the same by name and by path."""
    presets.own.mkdir(parents=True, exist_ok=True)
    path = presets.own / "mine.toml"
    path.write_bytes(content)
    said = set()
    for name in ("mine", str(path)):
        with pytest.raises(ConfigError) as caught:
            presets.read(name)
        said.add(str(caught.value))
    (text,) = said
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def everything_turned() -> Console:
    console = Console()
    for number, (name, parameter) in enumerate(PARAMETERS.items()):
        value = {str: f'a "dög" {number}', bool: not parameter.default, float: number / 1000}
        console = console.turned(name, value[parameter.kind])
    return console


def test_every_preset_that_ships_is_valid_and_says_what_it_is_for(presets: Presets) -> None:
    assert presets.names() == SHIPPED_NAMES
    assert len(SHIPPED_NAMES) >= 10
    for name in SHIPPED_NAMES:
        settings, console = run_settings(name, {}, presets=presets)
        assert console.used
        assert presets.load(name) == console
        assert settings.input is settings.output is None  # that is the user's
        assert (SHIPPED / f"{name}.toml").read_text().startswith("# ")


@pytest.mark.parametrize(
    "console",
    [
        Console(),
        Console.of(["dog"], ["rain"]),
        everything_turned(),
        Console().turned("prompt/1/text", "quotes \" \\ and ''' and é").turned("gain", 0.1 + 0.2),
    ],
    ids=["untouched", "two", "everything", "odd"],
)
@pytest.mark.parametrize("name", ["mine", "Bühne 2", "a.b", "x+y-z_1", "8"])
def test_what_is_saved_is_loaded_again(presets: Presets, console: Console, name: str) -> None:
    path = presets.save(name, console)
    assert presets.load(name) == console
    assert presets.read(str(path)).console == console
    assert name in presets.names()
    assert [file.name for file in presets.own.iterdir()] == [f"{name}.toml"]


def test_what_is_saved_under_a_name_keeps_that_presets_settings_of_a_run(presets: Presets) -> None:
    shipped = presets.read("steady").run
    assert shipped == {"reserve_ms": 40.0}
    presets.save("steady", Console.of(["dog"]))
    presets.save("steady", Console.of(["cat"]))
    assert presets.read("steady").run == shipped
    assert presets.load("steady") == Console.of(["cat"])


def test_a_preset_holds_only_what_was_turned(presets: Presets) -> None:
    path = presets.save("mine", Console().turned("prompt/1/text", "dog").turned("residual/mute", 0))
    assert path.read_text() == '[prompt.1]\ntext = "dog"\n\n[residual]\nmute = false\n'


def test_the_users_preset_wins_over_the_one_that_ships(presets: Presets) -> None:
    console = Console.of(["my own voice"])
    presets.save("speech", console)
    assert presets.load("speech") == console
    assert presets.names() == SHIPPED_NAMES


def test_saving_again_replaces(presets: Presets) -> None:
    presets.save("mine", Console.of(["dog"]))
    presets.save("mine", Console.of(["cat"]))
    assert presets.load("mine") == Console.of(["cat"])


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "...", "a/b", "../a", "/etc/passwd", "a\\b", " a", "-a", "a\nb", "a\n", "x" * 62, "a\0"],
)
def test_a_name_that_is_no_files_is_refused_and_nothing_is_written(
    presets: Presets, tmp_path: Path, name: str
) -> None:
    with pytest.raises(CommandError, match="a preset cannot be called") as caught:
        presets.save(name, Console())
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../mine", "nosuch", "a\0", "a\nb"])
def test_what_is_no_presets_name_is_not_loaded_and_those_there_are_are_listed(
    presets: Presets, name: str
) -> None:
    with pytest.raises(ConfigError, match="no preset") as caught:
        presets.load(name)
    assert "\n" not in str(caught.value)
    assert all(known in str(caught.value) for known in SHIPPED_NAMES)


def test_a_path_is_for_the_command_line_and_not_for_those_who_ask_while_it_runs(
    presets: Presets, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text("wet = 0.5\n")
    assert presets.read(str(path)).console.wet == 0.5
    with pytest.raises(ConfigError, match="no preset"):
        presets.load(str(path))


def test_an_unknown_key_is_named_with_what_is_allowed(presets: Presets) -> None:
    text = refused(presets, b'prompt.1.text = "rain"\nloudness = 3\n')
    assert text.startswith("unknown key 'loudness'; known are prompt.1.text to prompt.8.negative, ")
    for name in PARAMETERS:
        assert name.startswith("prompt/") or name.replace("/", ".") in text
    assert text.endswith("and the tables run, learn and [[insert]]")


@pytest.mark.parametrize(
    "key", ["prompt.9.text", "prompt.0.text", "prompt.1.loud", "residual", "prompt.text"]
)
def test_a_key_beside_the_known_ones_is_unknown(presets: Presets, key: str) -> None:
    assert refused(presets, f"{key} = 1\n".encode()).startswith(f"unknown key '{key}'; known are ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prompt.1.gain = 25", "prompt/1/gain is 25, but must be from -60 to 24 dB"),
        ("prompt.1.text = 3", "prompt/1/text is 3, but must be words"),
        ('wet = "much"', "wet is 'much', but must be a number"),
        ("wet = [1]", "wet is [1], but must be a number"),
        ("wet = nan", "wet is nan, but must be from 0 to 1"),
        ("bypass = 0.5", "bypass is 0.5, but must be on or off (1 or 0)"),
        (f'prompt.1.text = "{"x" * 301}"', "prompt/1/text has 301 characters, at most 300 are read: "),
        ("run = 3", "run is 3, but must be a table"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(presets: Presets, content: str, said: str) -> None:
    assert refused(presets, content.encode()).startswith(said)


@pytest.mark.parametrize("content", [b"wet = = 3", b"\xff\xfe", b"wet", b"wet = 1\nwet = 1"])
def test_a_file_that_is_no_toml_is_named(presets: Presets, content: bytes) -> None:
    assert refused(presets, content)


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file")
    presets = Presets(tmp_path / "own")
    assert presets.names() == SHIPPED_NAMES
    with pytest.raises(ConfigError, match=r"cannot write the preset .*mine\.toml: File exists"):
        presets.save("mine", Console())


def test_effects_are_saved_with_their_knobs_as_they_stand_and_asked_for_again(presets: Presets) -> None:
    presets.save("mine", replace(Console.of("a"), inserts=RACK))
    settings, console = run_settings("mine", {}, presets=presets)
    assert settings.inserts == (InsertSpec("Gain", "prompt/1", (("gain_db", -6.0),), enable=False),)
    assert console == Console.of("a")
    named, _ = run_settings("mine", {}, inserts=("in:Reverb",), presets=presets)
    assert named.inserts == (InsertSpec("Reverb", "in"),)


def test_an_effect_given_by_a_path_from_here_is_found_from_anywhere(
    presets: Presets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fuzz.py").touch()
    (tmp_path / "Gain").touch()  # an effect's name is no path
    monkeypatch.chdir(tmp_path)
    inserts = tuple(
        replace(RACK[0], spec=InsertSpec.parse(effect)) for effect in ("fuzz.py", "Gain", "no.py")
    )
    presets.save("mine", replace(Console.of("a"), inserts=inserts))
    monkeypatch.chdir("/")
    settings, _ = run_settings("mine", {}, presets=presets)
    assert [spec.effect for spec in settings.inserts] == [str(tmp_path / "fuzz.py"), "Gain", "no.py"]
    assert presets.values("mine", replace(Console(), inserts=inserts))["insert/1/enable"] is False


def test_a_preset_turns_the_knobs_of_effects_that_run_and_refuses_others(presets: Presets) -> None:
    running = replace(Console(), inserts=(replace(RACK[0], values=(3.0,), enable=True),))
    presets.save("mine", replace(Console.of("a"), inserts=RACK))
    presets.save("plain", Console.of("b"))
    values = presets.values("mine", running)
    assert (values["insert/1/param/gain_db"], values["insert/1/enable"]) == (-6.0, False)
    assert not any(name.startswith("insert") for name in presets.values("plain", running))
    with pytest.raises(CommandError, match=r"wants other inserts \(prompt/1:Gain\): start with it"):
        presets.values("mine", Console())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'insert = "Gain"', "insert must be written as tables, [[insert]]"),
        (b"[[insert]]", 'insert needs an effect, such as [[insert]] effect = "Compressor"'),
        (b'[[insert]]\neffect = "Gain"\nlevel = 1', "unknown key insert.level; known are effect, place, "),
        (b'[[insert]]\neffect = "Gain"\nplace = "sum"', "insert.place is 'sum', but must be one of in, "),
        (b'[[insert]]\neffect = "Gain"\nenable = 1', "insert.enable is 1, but must be true or false"),
        (b'[[insert]]\neffect = "Gain"\nparam = 1', "insert.param must be a table of numbers"),
    ],
)
def test_a_table_of_an_effect_that_is_wrong_is_named(presets: Presets, content: bytes, said: str) -> None:
    assert refused(presets, content).startswith(said)


def test_a_file_is_a_preset_whoever_has_named_it(presets: Presets, tmp_path: Path) -> None:
    presets.own.mkdir(parents=True)
    (presets.own / "speech (copy).toml").write_text("wet = 0.5\n")
    assert "speech (copy)" in presets.names()
    assert presets.load("speech (copy)").wet == 0.5
    with pytest.raises(CommandError, match="cannot be called"):
        presets.save("speech (copy)", Console())
