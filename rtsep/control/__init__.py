"""The vocabulary of the control path: parameters, the console they make up, commands, status.

Whoever wants something (command line, OSC, panel, preset) submits a frozen command; whoever wants to
know something reads a frozen console or status. Every surface is made from ``PARAMETERS``.
"""

from rtsep.control.commands import (
    OSC_PORT,
    Command,
    LoadPreset,
    Record,
    ResetCounts,
    SavePreset,
    SetParameter,
    StepPreset,
)
from rtsep.control.console import Console, Residual, Strip, linear
from rtsep.control.parameters import LONGEST_PROMPT, PARAMETERS, STRIPS, Parameter, Value
from rtsep.control.status import Level, Status

__all__ = [
    "LONGEST_PROMPT",
    "OSC_PORT",
    "PARAMETERS",
    "STRIPS",
    "Command",
    "Console",
    "Level",
    "LoadPreset",
    "Parameter",
    "Record",
    "ResetCounts",
    "Residual",
    "SavePreset",
    "SetParameter",
    "Status",
    "StepPreset",
    "Strip",
    "Value",
    "linear",
]
