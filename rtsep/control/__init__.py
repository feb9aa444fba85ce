"""The vocabulary of the control path: parameters, the console they make up, commands, status.

Whoever wants something (command line, OSC, panel, preset) submits a frozen command; whoever wants to
know something reads a frozen console or status. Every surface is made from ``PARAMETERS``.
"""

from rtsep.control.bindings import ALL, Bindings, check_name, check_source
from rtsep.control.commands import (
    OSC_PORT,
    Bind,
    Command,
    Learn,
    LoadPreset,
    Quit,
    Record,
    ResetCounts,
    SavePreset,
    SetParameter,
    SetParameters,
    StepPreset,
    Unlearn,
)
from rtsep.control.console import Console, Residual, Strip, linear
from rtsep.control.inserts import AFTER, BEFORE, PLACES, Insert, InsertSpec, knob_name
from rtsep.control.parameters import LONGEST_PROMPT, PARAMETERS, STRIPS, Parameter, Value
from rtsep.control.status import Level, Status
from rtsep.control.touch import Touch

__all__ = [
    "AFTER",
    "ALL",
    "BEFORE",
    "LONGEST_PROMPT",
    "OSC_PORT",
    "PARAMETERS",
    "PLACES",
    "STRIPS",
    "Bind",
    "Bindings",
    "Command",
    "Console",
    "Insert",
    "InsertSpec",
    "Learn",
    "Level",
    "LoadPreset",
    "Parameter",
    "Quit",
    "Record",
    "ResetCounts",
    "Residual",
    "SavePreset",
    "SetParameter",
    "SetParameters",
    "Status",
    "StepPreset",
    "Strip",
    "Touch",
    "Unlearn",
    "Value",
    "check_name",
    "check_source",
    "knob_name",
    "linear",
]
