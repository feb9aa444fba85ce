"""Ranges of the parameters of pedalboard's own effects, which it does not tell itself."""

from __future__ import annotations

from typing import Any

from rtsep.control import Parameter

FIXED = (
    "impulse_response_filename",
    "lookahead_ms",
    "mode",
    "quality",
    "semitones",
    "target_sample_rate",
    "true_peak",
    "vbr_quality",
)
"""What is chosen at the start: enumerations, files, and what changes the latency."""

_EXACT: dict[str, tuple[float, float, str]] = {
    "threshold_db": (-100.0, 0.0, "dB"),
    "ceiling_db": (-30.0, 0.0, "dB"),
    "gain_db": (-60.0, 24.0, "dB"),
    "drive_db": (0.0, 60.0, "dB"),
    "attack_ms": (0.1, 500.0, "ms"),
    "release_ms": (1.0, 2000.0, "ms"),
    "centre_delay_ms": (1.0, 50.0, "ms"),
    "delay_seconds": (0.0, 2.0, "s"),
    "rate_hz": (0.01, 20.0, "Hz"),
    "centre_frequency_hz": (20.0, 8000.0, "Hz"),
    "cutoff_frequency_hz": (20.0, 20_000.0, "Hz"),
    "cutoff_hz": (20.0, 20_000.0, "Hz"),
    "ratio": (1.0, 20.0, ""),
    "q": (0.1, 10.0, ""),
    "drive": (1.0, 10.0, ""),
    "bit_depth": (1.0, 32.0, "bit"),
}
"""The rest (mix, depth, feedback, room size) goes from 0 to 1."""


def described(plugin: Any) -> tuple[Parameter, ...]:
    """The parameters of one of pedalboard's own effects."""
    kind, found = type(plugin), []
    for name in dir(kind):
        value = getattr(plugin, name, None) if isinstance(getattr(kind, name), property) else None
        if name in FIXED or not isinstance(value, bool | int | float) or name.startswith("is_"):
            continue
        if isinstance(value, bool):
            found.append(Parameter(name, f"{kind.__name__}: {_words(name)}", value))
            continue
        low, high, unit = _EXACT.get(name, (0.0, 1.0, ""))
        found.append(Parameter(name, f"{kind.__name__}: {_words(name)}", float(value), low, high, unit))
    return tuple(found)


def _words(name: str) -> str:
    parts = name.split("_")
    return " ".join(parts[:-1] if parts[-1] in ("db", "ms", "hz") and len(parts) > 1 else parts)
