"""``rtsep run``: what is asked for, refused where it cannot be, and run; what is heavy loads in between."""

from __future__ import annotations

import gc
import json
from contextlib import closing, nullcontext
from pathlib import Path

from rtsep.allocator import one_heap
from rtsep.config import RunSettings
from rtsep.control import Console
from rtsep.effects.loading import check_specs
from rtsep.ends import check_ends, is_file
from rtsep.errors import CommandError, ConfigError
from rtsep.live.card import SoundCard


def run_session(settings: RunSettings, console: Console, json_file: Path | None) -> None:
    """Run until the input ends, the duration is over, or it is asked to end; then report.

    Raises:
        RtsepError: something that the user can mend.
    """
    one_heap()
    live = not (is_file(settings.input) or is_file(settings.output))
    if not console.used and not (live and settings.played):
        raise CommandError("no prompt: name a sound to keep (--prompt) or one to remove (--remove)")
    if not live and (settings.played or settings.connect):
        raise ConfigError(
            "knobs and connections are for devices at both ends: leave out --osc, --panel, --midi and "
            "--connect, or the file or pipe of --input or --output"
        )
    check_ends(settings, json_file)
    check_specs(settings.inserts)
    with closing(SoundCard(settings, console)) if live else nullcontext() as card:  # it opens meanwhile
        gc.disable()  # going through all that loads, again and again, takes a sixth of the time
        from rtsep.runs import run

        gc.enable()
        report = run(settings, console, card)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write the report to {json_file}: {error.strerror}") from error
