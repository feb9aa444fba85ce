"""Settings of a run: frozen, checked, from a preset file with command-line flags on top."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtsep.control import PARAMETERS, SetPrompts
from rtsep.errors import ConfigError

PRESETS = Path(__file__).parents[1] / "presets"

Compute = Literal["auto", "cpu", "cuda", "mps"]

DEFAULT_RESERVE_MS = 12.0
"""A step of the model, and the scheduler's moods."""


def _turns(name: str) -> Any:
    """A field for one of ``PARAMETERS``, with its range and default."""
    parameter = PARAMETERS[name]
    return Field(parameter.default, ge=parameter.low, le=parameter.high, description=parameter.help)


class RunSettings(BaseModel):
    """Everything that ``rtsep run`` can be told; the keys of a preset file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: tuple[str, ...] = ()
    """What to hear."""
    remove: tuple[str, ...] = ()
    """What to take away."""
    input: str | None = None
    """A device, a file, or ``-``; the default microphone if None."""
    output: str | None = None
    """A device, a file, or ``-``; the default loudspeaker if None."""
    gain_db: float = _turns("gain_db")
    wet: float = _turns("wet")
    full_band: float = _turns("full_band")
    channels: Literal[1, 2] | None = None
    raw: bool = False
    """Samples without a header on stdout."""
    duration: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds after which to stop."""
    bundle: str = "default"
    compute: Compute = "auto"
    device_rate: int | None = Field(None, ge=8_000, le=192_000)
    """Of devices, and of raw samples on stdin."""
    block: int = Field(0, ge=0, le=8192)
    """Samples a callback; 0 leaves it to the device."""
    reserve_ms: float = Field(DEFAULT_RESERVE_MS, gt=0, le=1000)
    """How late the worker may be before the output runs dry; part of the latency."""

    @property
    def prompts(self) -> SetPrompts:
        """The prompts as a command."""
        return SetPrompts(self.prompt, self.remove)


def preset_names() -> list[str]:
    """The presets that come with rtsep."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def run_settings(preset: str | None, given: dict[str, Any]) -> RunSettings:
    """Settings from a preset, by name or path, and the flags that were given, which win.

    Raises:
        ConfigError: naming file or flag, key and what is allowed.
    """
    values: dict[str, Any] = {}
    if preset is not None:
        path = PRESETS / f"{preset}.toml"
        path = path if path.is_file() else Path(preset)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"no preset {preset!r}: have {', '.join(preset_names())}, or give a TOML file"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        _check(values, path)
    return _check(values | given)


def check_writable(path: Path | None) -> Path | None:
    """The path of a report, if one can be written there: before the work, not after it.

    Raises:
        ConfigError: it cannot.
    """
    if path is not None:
        existed = path.exists()
        try:
            path.open("ab").close()
        except OSError as error:
            raise ConfigError(f"cannot write {path} ({error.strerror}): name another file") from error
        if not existed:
            path.unlink()
    return path


def _check(values: dict[str, Any], file: Path | None = None) -> RunSettings:
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(RunSettings.model_fields)
            raise ConfigError(f"{file}: unknown key {key!r}; known are {known}") from error
        flag = "--" + key.removesuffix("_db").replace("_", "-")
        said = f"{key} in {file}" if file else flag
        raise ConfigError(f"{said} is {first['input']!r}: {_lowered(first['msg'])}") from error


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
