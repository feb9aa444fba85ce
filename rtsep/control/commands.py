"""What can be asked of an engine: frozen commands, submitted to the desk."""

from __future__ import annotations

from dataclasses import dataclass

from rtsep.control.parameters import Value

OSC_PORT = 7770
"""Where an engine listens unless told otherwise; DAWs and panels use others (8000, 9000, 11000, 3819)."""


@dataclass(frozen=True)
class SetParameter:
    """Turn one of ``PARAMETERS``."""

    name: str
    value: Value


@dataclass(frozen=True)
class SetParameters:
    """Turn several of ``PARAMETERS`` at once: they are heard together."""

    values: tuple[tuple[str, Value], ...]
    """Names and what they are set to."""


@dataclass(frozen=True)
class LoadPreset:
    """Take a preset's console: one that ships with rtsep, or one of the user's folder."""

    name: str


@dataclass(frozen=True)
class StepPreset:
    """Go on to the next preset (1) or back to the previous one (-1), in alphabetical order, around."""

    by: int


@dataclass(frozen=True)
class SavePreset:
    """Write the console as it stands to the user's folder, under a name."""

    name: str


@dataclass(frozen=True)
class Record:
    """Start or stop recording input and output to files."""

    on: bool


@dataclass(frozen=True)
class ResetCounts:
    """Count dropouts and clipped samples from zero again."""


@dataclass(frozen=True)
class Learn:
    """Bind the control that moves next to one of ``PARAMETERS``; to none any more if empty."""

    name: str


@dataclass(frozen=True)
class Bind:
    """This source has moved: bind it to the parameter that waits for one, if one does."""

    source: str
    """As ``bindings.check_source`` has it."""


@dataclass(frozen=True)
class Unlearn:
    """Forget a source, the sources of a parameter, or ``bindings.ALL``."""

    what: str


@dataclass(frozen=True)
class Quit:
    """Stop, and finalise what is being written."""


Command = (
    SetParameter
    | SetParameters
    | LoadPreset
    | StepPreset
    | SavePreset
    | Record
    | ResetCounts
    | Learn
    | Bind
    | Unlearn
    | Quit
)
