"""What there is here: ``rtsep devices`` and ``rtsep presets``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def devices(
    as_json: Annotated[bool, typer.Option("--json", help="A list for machines.")] = False,
    midi: Annotated[bool, typer.Option("--midi", help="MIDI inputs instead.")] = False,
) -> None:
    """List the sound cards, or the MIDI inputs."""
    import json
    from dataclasses import asdict

    from rtsep.audio.device import list_devices
    from rtsep.midi.ports import list_ports

    if midi:
        names = [port.name for port in list_ports()]
        print(json.dumps(names) if as_json else "\n".join(names) or "no MIDI input found: plug one in")
        return
    found = list_devices()
    if as_json:
        print(json.dumps([asdict(device) for device in found]))
        return
    for device in found:
        print(device)
    if not found:
        print("no sound card found: plug one in, or start jackd", file=sys.stderr)


def presets() -> None:
    """List the presets; one that is broken is named on stderr."""
    from rtsep.errors import RtsepError
    from rtsep.presets import Presets

    found = Presets()
    for name in found.names():
        try:
            print(f"{name}: {found.load(name)}")
        except RtsepError as error:
            print(f"{name} cannot be used: {error}", file=sys.stderr)
