"""The vocabulary of the control path: what the console means, and what is refused, by name."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import pytest

from rtsep.control import (
    LONGEST_PROMPT,
    PARAMETERS,
    STRIPS,
    Console,
    Insert,
    InsertSpec,
    LoadPreset,
    Parameter,
    Record,
    Residual,
    SetParameter,
    Status,
    StepPreset,
    Strip,
    linear,
)
from rtsep.errors import CommandError

NUMBERS = sorted(name for name, parameter in PARAMETERS.items() if parameter.kind is float)
SWITCHES = sorted(name for name, parameter in PARAMETERS.items() if parameter.kind is bool)
WORDS = sorted(name for name, parameter in PARAMETERS.items() if parameter.kind is str)


def console(*strips: Strip, **residual: Any) -> Console:
    return Console((*strips, *(Strip(),) * (STRIPS - len(strips))), Residual(**residual))


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_default_of_a_parameter_is_the_untouched_consoles(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter.name == name
    assert parameter.help
    assert Console()[name] == parameter.default == parameter.check(parameter.default)
    assert type(Console()[name]) is parameter.kind


def test_the_table_has_every_field_of_the_console_and_no_other() -> None:
    assert len(NUMBERS) + len(SWITCHES) + len(WORDS) == len(PARAMETERS)
    fields = {field.name.removesuffix("_db") for field in dataclasses.fields(Console)}
    assert {name for name in PARAMETERS if "/" not in name} == fields - {
        "strips",
        "residual",
        "learnt",
        "inserts",
    }
    of_strip = {field.name.removesuffix("_db") for field in dataclasses.fields(Strip)}
    for number in range(1, STRIPS + 1):
        start = f"prompt/{number}/"
        assert {name.removeprefix(start) for name in PARAMETERS if name.startswith(start)} == of_strip
    of_residual = {field.name.removesuffix("_db") for field in dataclasses.fields(Residual)}
    assert {name.removeprefix("residual/") for name in PARAMETERS if "residual" in name} == of_residual


@pytest.mark.parametrize("name", NUMBERS)
def test_the_ends_of_a_range_are_in_it(name: str) -> None:
    parameter = PARAMETERS[name]
    for value in (parameter.low, parameter.high):
        assert Console().turned(name, value)[name] == value


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9, -1e9])
def test_what_is_out_of_range_is_refused_with_the_range(name: str, value: float) -> None:
    parameter = PARAMETERS[name]
    with pytest.raises(
        CommandError, match=f"{name} is .*must be from {parameter.low:g} to {parameter.high:g}"
    ):
        Console().turned(name, value)


def test_just_outside_is_outside() -> None:
    with pytest.raises(CommandError, match=r"wet is 1\.01, but must be from 0 to 1$"):
        Parameter("wet", "help", 1.0, 0.0, 1.0).check(1.01)


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_takes_0_and_1_and_nothing_between(name: str) -> None:
    for value in (0, 1, 0.0, 1.0, False, True):
        turned = Console().turned(name, value)[name]
        assert turned is bool(value)
    for wrong in (0.5, 2, -1, math.nan, math.inf):
        with pytest.raises(CommandError, match=rf"{name} is .*, but must be on or off \(1 or 0\)"):
            Console().turned(name, wrong)


@pytest.mark.parametrize("name", NUMBERS + SWITCHES)
@pytest.mark.parametrize("value", ["1", "", None, [1.0], b"1"])
def test_a_number_is_nothing_else(name: str, value: object) -> None:
    with pytest.raises(CommandError, match=f"{name} is .*, but must be a number"):
        Console().turned(name, value)


@pytest.mark.parametrize("name", WORDS)
def test_words_have_single_spaces_and_an_end(name: str) -> None:
    assert Console().turned(name, "  dog \n barking ")[name] == "dog barking"
    assert Console().turned(name, " ")[name] == ""
    assert Console().turned(name, "x" * LONGEST_PROMPT)[name] == "x" * LONGEST_PROMPT
    with pytest.raises(CommandError, match=f"{name} has 301 characters, at most 300 are read"):
        Console().turned(name, "x" * (LONGEST_PROMPT + 1))
    with pytest.raises(CommandError, match=f"{name} is 3, but must be words"):
        Console().turned(name, 3)


@pytest.mark.parametrize("name", ["volume", "", "prompt", "prompt/0/gain", "prompt/9/gain", "prompt/1/loud"])
def test_an_unknown_parameter_is_refused_and_says_where_to_look(name: str) -> None:
    for wrong in (lambda: Console().turned(name, 1.0), lambda: Console()[name]):
        with pytest.raises(CommandError, match=f"no parameter '{name}'; see the table"):
            wrong()


@pytest.mark.parametrize("name", PARAMETERS)
def test_turning_a_parameter_changes_it_and_nothing_else(name: str) -> None:
    value = {str: "dog", bool: not PARAMETERS[name].default, float: 0.5}[PARAMETERS[name].kind]
    turned = Console().turned(name, value)
    assert turned[name] == value
    assert Console().changes(turned) == {name: value}
    assert turned.changes(Console()) == {name: PARAMETERS[name].default}
    assert turned.turned(name, PARAMETERS[name].default) == Console()


def test_prompts_of_the_command_line_become_strips() -> None:
    made = Console.of(["dog", "cat"], ["rain"])
    assert made.strips[:4] == (Strip("dog"), Strip("cat"), Strip("rain", negative=True), Strip())
    assert len(made.strips) == STRIPS
    assert len(Console.of(["x"] * 5, ["y"] * 3).used) == STRIPS
    for keep, remove, said in (
        ([], [], "no prompt: name a sound"),
        (["x"] * 5, ["y"] * 4, "9 prompts, at most 8 at once"),
        (["x", " "], [], "the prompt is empty"),
        ([], ["x" * 301], "prompt/1/text has 301 characters"),
    ):
        with pytest.raises(CommandError, match=said):
            Console.of(keep, remove)


def test_prompts_read_as_a_person_would_write_them() -> None:
    assert str(Console.of(["dog", "cat"], ["rain"])) == "dog + cat + (not) rain"
    assert str(Console.of(["dog", "cat"]).turned("prompt/1/enable", 0)) == "cat"
    assert str(Console()) == "-"
    assert Status(Console.of(["dog"])).prompt == "dog"


def test_the_model_looks_only_for_strips_that_are_on_and_have_words() -> None:
    made = console(Strip("a"), Strip(), Strip("c", enable=False), Strip("d", mute=True))
    assert made.used == (0, 3)
    assert len(made.gains) == 2


def test_a_kept_strip_is_heard_at_its_gain_and_the_rest_is_not() -> None:
    made = console(Strip("a", -6.0), Strip("b"))
    assert made.gains == (linear(-6.0), 1.0)
    assert linear(-6.0) == pytest.approx(0.501187)
    assert made.residual_gain == 0


def test_a_muted_strip_is_silent_and_does_not_let_the_rest_in() -> None:
    made = console(Strip("a", mute=True), Strip("b"))
    assert made.gains == (0.0, 1.0)
    assert made.residual_gain == 0
    assert console(Strip("a", mute=True)).residual_gain == 0


def test_a_negative_strip_is_silent_and_alone_lets_everything_else_be_heard() -> None:
    alone = console(Strip("rain", negative=True), gain_db=-6.0)
    assert alone.gains == (0.0,)
    assert alone.residual_gain == linear(-6.0)
    beside = console(Strip("dog"), Strip("rain", negative=True))
    assert beside.gains == (1.0, 0.0)
    assert beside.residual_gain == 0


def test_without_a_strip_everything_is_heard_muted_or_not() -> None:
    for made in (console(), console(mute=False), console(Strip("a", enable=False))):
        assert made.used == made.gains == ()
        assert made.residual_gain == 1


def test_the_rest_is_heard_beside_the_strips_where_it_is_not_muted() -> None:
    assert console(Strip("a"), mute=False, gain_db=-20.0).residual_gain == pytest.approx(0.1)


def test_a_solo_silences_every_strip_and_the_rest_but_those_on_solo() -> None:
    made = console(Strip("a"), Strip("b", 6.0, solo=True), Strip("c", solo=True), mute=False)
    assert made.gains == (0.0, linear(6.0), 1.0)
    assert made.residual_gain == 0


def test_the_rest_on_solo_is_all_that_is_heard_muted_or_not() -> None:
    for mute in (False, True):
        made = console(Strip("a"), solo=True, mute=mute, gain_db=-6.0)
        assert made.gains == (0.0,)
        assert made.residual_gain == linear(-6.0)
    both = console(Strip("a", solo=True), solo=True)
    assert (both.gains, both.residual_gain) == ((1.0,), 1.0)


def test_a_mute_wins_over_a_solo() -> None:
    made = console(Strip("a", mute=True, solo=True), Strip("b"))
    assert made.gains == (0.0, 0.0)


def test_a_negative_strip_on_solo_lets_hear_what_it_takes_away() -> None:
    made = console(Strip("dog"), Strip("rain", -3.0, negative=True, solo=True))
    assert made.gains == (0.0, linear(-3.0))
    assert made.residual_gain == 0


def test_a_strip_out_of_use_cannot_be_on_solo() -> None:
    for strip in (Strip("b", solo=True, enable=False), Strip("", solo=True)):
        made = console(Strip("a"), strip)
        assert made.gains == (1.0,)


@pytest.mark.parametrize(
    "value",
    [SetParameter("wet", 0.5), LoadPreset("x"), StepPreset(1), Record(True), Console(), Strip("a"), Status()],
    ids=repr,
)
def test_what_passes_between_threads_is_frozen(value: Any) -> None:
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")
    assert hash(value) == hash(value)


KNOBS = (
    Parameter("insert/1/param/gain_db", "Gain", 0.0, -60.0, 24.0, "dB"),
    Parameter("insert/1/param/mode", "Mode", "LP", choices=("LP", "HP")),
)
WITH_INSERT = replace(Console(), inserts=(Insert(1, InsertSpec("Gain"), KNOBS, (0.0, "LP")),))


def test_the_knobs_of_an_insert_are_parameters_of_the_console_that_has_it() -> None:
    names = ["insert/1/enable", "insert/1/param/gain_db", "insert/1/param/mode"]
    assert list(WITH_INSERT.parameters) == [*PARAMETERS, *names]
    assert [WITH_INSERT[name] for name in names] == [True, 0.0, "LP"]
    turned = WITH_INSERT.turned(names[0], 0).turned(names[1], -6).turned(names[2], "HP")
    assert WITH_INSERT.changes(turned) == {names[0]: False, names[1]: -6.0, names[2]: "HP"}
    assert dict(turned.items())["wet"] == 1
    for name in names:
        with pytest.raises(CommandError, match=f"no parameter '{name}'"):
            Console().turned(name, 1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gain_db", 99, "from -60 to 24 dB"),
        ("mode", "BP", "must be one of 'LP', 'HP'"),
        ("no", 1, "no parameter"),
    ],
)
def test_a_knob_takes_what_its_effect_takes(name: str, value: object, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        WITH_INSERT.turned(f"insert/1/param/{name}", value)
