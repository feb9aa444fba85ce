"""Settings of a run: frozen, checked, from a preset file with command-line flags on top."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtsep.control import PARAMETERS, Console, InsertSpec
from rtsep.errors import CommandError, ConfigError
from rtsep.presets import RUN, Preset, Presets

Compute = Literal["auto", "cpu", "cuda", "mps"]

DEFAULT_RESERVE_MS = 12.0
"""A step of the model, and the scheduler's moods."""


class RunSettings(BaseModel):
    """What can only be chosen at the start of ``rtsep run``; the keys of a preset's table ``run``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str | None = None
    """A device, a file, or ``-``; the default microphone if None."""
    output: str | None = None
    """A device, a file, or ``-``; the default loudspeaker if None."""
    channels: Literal[1, 2] | None = None
    inserts: tuple[InsertSpec, ...] = ()
    """Effects, in their order; of a preset the tables ``[[insert]]``."""
    raw: bool = False
    """Samples without a header on stdout."""
    stems: bool = False
    """Every strip, and everything else, on channels or in files of its own."""
    duration: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds after which to stop."""
    bundle: str = "default"
    server: str | None = None
    """Address of an ``rtsep serve`` that makes the masks; here is encoded and decoded only."""
    network_ms: float = Field(60.0, ge=0, le=2000)
    """What the way there and back may take; part of the latency."""
    codebooks: int | None = Field(None, ge=1)
    """Codebooks of what is sent there; None: what 8 kbit/s take."""
    compute: Compute = "auto"
    device_rate: int | None = Field(None, ge=8_000, le=192_000)
    """Of devices, and of raw samples on stdin."""
    block: int = Field(0, ge=0, le=8192)
    """Samples a callback; 0 leaves it to the device."""
    reserve_ms: float = Field(DEFAULT_RESERVE_MS, gt=0, le=1000)
    """How late the worker may be before the output runs dry; part of the latency."""
    insert_reserve_ms: float = Field(0.0, ge=0, le=1000)
    """How late effects in processes of their own may answer; part of the latency."""
    degrade: bool = False
    """Where the machine is too slow, leave out strips, then work in larger chunks."""
    osc: bool = False
    """Listen for OSC, on a live run."""
    osc_port: int | None = Field(None, ge=0, le=65_535)
    """UDP port; any free one if 0, the first free one from ``OSC_PORT`` on if None."""
    osc_host: str = "127.0.0.1"
    """Address to listen on for OSC."""
    osc_allow: tuple[str, ...] = ()
    """Addresses and networks that may send, where ``osc_host`` is more than this machine."""
    midi: str | None = None
    """A MIDI input, by its name or a part of it, whose controls can be learnt; switches OSC on, over which
    that is done."""
    panel: bool = False
    """Open the panel, which needs OSC and so switches it on."""

    name: str | None = Field(None, pattern=r"^[\w .+-]{1,30}$")
    """How it is called on a JACK server, and announced."""
    connect: bool = False
    """On a JACK server: connected as ``name`` was at the end of its last run, and remembered at the end of
    this one."""

    @model_validator(mode="after")
    def _fits(self) -> RunSettings:
        if self.connect and self.name is None:
            raise ValueError("connections are remembered by name: give --name as well")
        return self

    @property
    def played(self) -> bool:
        """Whether somebody will turn knobs."""
        asked = self.osc_port is not None or bool(self.osc_allow) or "osc_host" in self.model_fields_set
        return self.osc or self.panel or self.midi is not None or asked


def run_settings(
    preset: str | None,
    given: Mapping[str, Any],
    *,
    keep: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    turned: Mapping[str, Any] | None = None,
    inserts: tuple[str, ...] = (),
    presets: Presets | None = None,
) -> tuple[RunSettings, Console]:
    """Settings and console from a preset, by name or path, and from the command line, which wins.

    Args:
        preset: name or path.
        given: keys of ``RunSettings``.
        keep: sounds to hear; with ``remove`` they take the place of the preset's strips.
        remove: sounds to take away.
        turned: values of ``PARAMETERS`` by name.
        inserts: effects, as ``InsertSpec.parse`` reads them; they take the place of the preset's.
        presets: where presets are found.

    Raises:
        ConfigError: naming file or flag, key and what is allowed.
        CommandError: a prompt or a parameter that cannot be.
    """
    found = Preset(Console()) if preset is None else (presets or Presets()).read(preset)
    _check(found.run, preset)
    wanted = tuple(map(InsertSpec.parse, inserts)) or found.inserts
    settings = _check({**found.run, **given, "inserts": wanted})
    console = found.console
    if keep or remove:
        named = Console.of(keep, remove)
        console = replace(console, strips=named.strips)
    if settings.stems:  # whoever asks for everything on its own asks for everything else as well
        console = console.turned("residual/mute", False)
    for name, value in (turned or {}).items():
        try:
            console = console.turned(name, value)
        except CommandError as error:
            flag = f"--{name.replace('_', '-')}" if name in PARAMETERS and "/" not in name else "--set"
            raise ConfigError(f"{flag}: {error}") from error
    return settings, console


def parse_value(text: str) -> tuple[str, float | str]:
    """``NAME=VALUE`` as ``--set`` takes it; words where the parameter wants words.

    Raises:
        ConfigError: it has no such form, or no such parameter.
    """
    name, equals, value = text.partition("=")
    if not equals or name not in PARAMETERS:
        raise ConfigError(
            f"--set {text!r}: give NAME=VALUE with a name from the table of parameters in README.md, "
            "such as prompt/1/gain=-6"
        )
    if PARAMETERS[name].kind is str:
        return name, value
    try:
        return name, {"true": 1.0, "false": 0.0}[value] if value in ("true", "false") else float(value)
    except ValueError as error:
        raise ConfigError(f"--set {text!r}: {value!r} is no number") from error


def check_writable(path: Path | None) -> Path | None:
    """The path of a report, if one can be written there: before the work, not after it.

    Raises:
        ConfigError: it cannot.
    """
    if path is not None:
        try:
            existed = path.exists()
            path.open("ab").close()
        except OSError as error:
            raise ConfigError(f"cannot write {path} ({error.strerror}): name another file") from error
        if not existed:
            path.unlink()
    return path


def check_folder(path: Path | None) -> Path | None:
    """The path of a folder for results, if there is one or one can be made: before the work, not after it.

    Raises:
        ConfigError: it cannot.
    """
    if path is not None:
        try:
            found = next(each for each in (path, *path.absolute().parents) if each.exists())
        except OSError as error:
            raise ConfigError(f"no folder {path} can be made ({error.strerror}): name another") from error
        if not found.is_dir():
            raise ConfigError(f"no folder {path} can be made: {found} is a file, name another")
        if not os.access(found, os.W_OK):
            raise ConfigError(f"nothing can be written in {found}: name another folder")
    return path


def _check(values: Mapping[str, Any], file: str | None = None) -> RunSettings:
    try:
        return RunSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(_lowered(first["msg"].removeprefix("Value error, "))) from error
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(RunSettings.model_fields)
            raise ConfigError(f"{file}: unknown key {RUN}.{key}; known are {known}") from error
        said = f"{RUN}.{key} in {file}" if file else "--" + key.replace("_", "-")
        raise ConfigError(f"{said} is {first['input']!r}: {_lowered(first['msg'])}") from error


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
