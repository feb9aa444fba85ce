"""What is said beside the frames: JSON, one object a text message, its kind under ``type``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rtsep.control import PARAMETERS, Console
from rtsep.errors import CodeError, CommandError
from rtsep.models.kinds import fault_of
from rtsep.serve.format import CodeFormat

Values = dict[Annotated[str, Field(max_length=40)], bool | float | Annotated[str, Field(max_length=400)]]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hello(_Message):
    """The first message of a client: what it is going to send, and what it wants."""

    type: Literal["hello"] = "hello"
    format: CodeFormat
    live: bool = False
    """Whether it sends in real time, so that what is late is of no use."""
    whole: bool = True
    """Whether the answer holds all that is to be heard; an edge that has the input adds its share itself."""
    values: Values = Field(default={}, max_length=len(PARAMETERS))


class Turn(_Message):
    """Turn parameters, all or none of them."""

    type: Literal["set"] = "set"
    values: Values = Field(max_length=len(PARAMETERS))


class Reset(_Message):
    """Forget what was heard."""

    type: Literal["reset"] = "reset"


class Ask(_Message):
    """Ask what became of the frames."""

    type: Literal["counts"] = "counts"


class Welcome(_Message):
    """The session has begun."""

    type: Literal["welcome"] = "welcome"
    session: int
    most_frames: int
    """Frames a message may hold."""


class Done(_Message):
    """What was asked for is done; with the values as they were taken."""

    type: Literal["done"] = "done"
    values: Values = {}


class Refused(_Message):
    """What was sent cannot be, and why; the session goes on unless it is closed."""

    type: Literal["error"] = "error"
    reason: str


class Told(_Message):
    """What became of the frames, see ``Counts``."""

    type: Literal["counts"] = "counts"
    counts: dict[str, int]


Asked = Hello | Turn | Reset | Ask
Answered = Welcome | Done | Refused | Told

_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="type")])
_ANSWERED: TypeAdapter[Answered] = TypeAdapter(Annotated[Answered, Field(discriminator="type")])

_Kind = TypeVar("_Kind")


def asked(text: str) -> Asked:
    """A client's message.

    Raises:
        CodeError: it is none, and why.
    """
    return _parsed(_ASKED, text)


def answered(text: str) -> Answered:
    """A server's message.

    Raises:
        CodeError: it is none, and why.
    """
    return _parsed(_ANSWERED, text)


def turned(console: Console, values: Values) -> Console:
    """A console with several parameters set.

    Raises:
        CodeError: one of them cannot be.
    """
    try:
        for name, value in values.items():
            console = console.turned(name, value)
    except CommandError as error:
        raise CodeError(str(error)) from error
    return console


def _parsed(kind: TypeAdapter[_Kind], text: str) -> _Kind:
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise CodeError(fault_of(error, "the message")[:200]) from error
