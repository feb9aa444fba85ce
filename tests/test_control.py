"""The vocabulary of the control path refuses what is out of range, by name."""

from __future__ import annotations

import dataclasses
import math

import pytest

from rtsep.config import RunSettings
from rtsep.control import PARAMETERS, Parameter, SetParameter, SetPrompts, Status
from rtsep.errors import CommandError

NAMES = sorted(PARAMETERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_a_range_and_the_default_are_in_it(name: str) -> None:
    parameter = PARAMETERS[name]
    for value in (parameter.low, parameter.high, parameter.default):
        assert SetParameter(name, value).value == value
        assert parameter.check(value) == value
    assert parameter.name == name
    assert parameter.help


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9, -1e9])
def test_what_is_out_of_range_is_refused_with_the_range(name: str, value: float) -> None:
    parameter = PARAMETERS[name]
    with pytest.raises(
        CommandError, match=f"{name} is .*must be from {parameter.low:g} to {parameter.high:g}"
    ):
        SetParameter(name, value)


def test_just_outside_is_outside() -> None:
    with pytest.raises(CommandError, match=r"wet is 1\.01, but must be from 0 to 1$"):
        Parameter("wet", "help", 1.0, 0.0, 1.0).check(1.01)


def test_an_unknown_parameter_lists_those_there_are() -> None:
    with pytest.raises(
        CommandError, match="no parameter 'volume': there are gain_db, wet, bypass, full_band"
    ):
        SetParameter("volume", 1.0)


def test_prompts_number_from_one_to_eight() -> None:
    assert SetPrompts(("x",) * 5, ("y",) * 3)
    assert SetPrompts((), ("y",))
    with pytest.raises(CommandError, match="no prompt: name a sound"):
        SetPrompts(())
    with pytest.raises(CommandError, match="9 prompts, at most 8 at once"):
        SetPrompts(("x",) * 5, ("y",) * 4)


def test_prompts_read_as_a_person_would_write_them() -> None:
    assert str(SetPrompts(("dog", "cat"), ("rain",))) == "dog + cat + (not) rain"


@pytest.mark.parametrize("value", [SetParameter("wet", 0.5), SetPrompts(("dog",)), Status("dog")], ids=repr)
def test_what_passes_between_threads_is_frozen(value: object) -> None:
    field = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")
    assert hash(value) == hash(value)


def test_the_settings_share_the_table_of_parameters() -> None:
    for name, parameter in PARAMETERS.items():
        if name == "bypass":  # only ever turned while it runs
            continue
        assert RunSettings.model_fields[name].default == parameter.default
        assert RunSettings.model_fields[name].description == parameter.help
