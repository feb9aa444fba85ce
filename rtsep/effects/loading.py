"""From what is asked for to effects that play: what is external is started first, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from rtsep.control import Insert, InsertSpec, Value, knob_name
from rtsep.control.inserts import MOST_INSERTS, is_there
from rtsep.effects.board import PLUGINS, Builtin, External, pedalboard
from rtsep.effects.protocol import Effect, Format
from rtsep.effects.remote import Patience, Remote
from rtsep.effects.script import SUFFIX, Script
from rtsep.effects.slot import Slot
from rtsep.errors import ConfigError, RtsepError

Make = Callable[[Path, dict[str, Value], Format], Effect]


def check_specs(specs: Sequence[InsertSpec]) -> None:
    """Refuse what can be refused without loading anything.

    Raises:
        ConfigError: there are too many, a file is missing, or pedalboard is.
    """
    if len(specs) > MOST_INSERTS:
        raise ConfigError(f"{len(specs)} inserts, at most {MOST_INSERTS}")
    for spec in specs:
        make = _maker(spec)
        if make is not Script:
            pedalboard()
        if make is not None and not is_there(Path(spec.effect)):
            raise ConfigError(f"no effect {spec.effect}: there is no such file")


def load(
    specs: Sequence[InsertSpec], form: Format, patience: Patience, reserve: int, stack: ExitStack
) -> tuple[Slot, ...]:
    """Load every effect; what has to be closed goes onto the stack.

    Those in processes of their own may answer ``reserve`` samples late.

    Raises:
        ConfigError: one of them cannot be loaded.
    """
    check_specs(specs)
    started: list[Effect | None] = []
    for spec in specs:
        make = _maker(spec)
        if make is None:
            started.append(None)
            continue
        remote = Remote(make, Path(spec.effect).absolute(), dict(spec.settings), form, patience, reserve)
        started.append(stack.enter_context(closing(remote)))
    return tuple(
        _slot(number, spec, effect, form)
        for number, (spec, effect) in enumerate(zip(specs, started, strict=True), start=1)
    )


def _maker(spec: InsertSpec) -> Make | None:
    """What makes it in a process of its own; None for pedalboard's own effects, which need none."""
    suffix = Path(spec.effect).suffix.lower()
    if suffix in PLUGINS:
        return External
    return Script if suffix == SUFFIX else None


def _slot(number: int, spec: InsertSpec, effect: Effect | None, form: Format) -> Slot:
    try:
        effect = effect or Builtin(spec.effect, dict(spec.settings), form)
        knobs = effect.knobs
    except RtsepError as error:
        raise ConfigError(f"insert {number}: {error}") from error
    ours = tuple(
        replace(each, name=knob_name(number, each.name), default=value)
        for each, value in zip(knobs.parameters, knobs.values, strict=True)
    )
    return Slot(effect, Insert(number, spec, ours, knobs.values, spec.enable), form)
