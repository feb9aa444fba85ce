"""``rtsep batch``: every file of a folder, one after the other here, or side by side on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypedDict, cast

import soundfile
import torch

from rtsep.audio.file import AudioSink, AudioSource
from rtsep.compute import compute_device
from rtsep.control import Console
from rtsep.display import progress_bar, say
from rtsep.errors import AudioFileError, CommandError, ConfigError, RtsepError
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline
from rtsep.render import render
from rtsep.separators.conditions import Conditions
from rtsep.separators.registry import open_separator
from rtsep.serve.files import separate_file
from rtsep.worker import Worker

CODES = ".rtc"

_FORMATS = {"AIF", "OPUS", *soundfile.available_formats()} - {"RAW"}

SUFFIXES = {CODES, *(f".{name.lower()}" for name in _FORMATS)}
"""Of the files that are taken; a raw one does not say what it holds."""


class Job(TypedDict):
    """A file, and what becomes of it."""

    source: str
    target: str
    fault: str
    """Why it could not be; empty otherwise."""


class FileSeparator:
    """One model for many files; on Ray one of these lives in each process.

    Args:
        console: what to hear.
        bundle: a separator's name.
        compute: where it runs.

    Raises:
        RtsepError: there is no such model, or a prompt cannot be understood.
    """

    def __init__(self, console: Console, bundle: str, compute: Literal["auto", "cpu"] = "auto") -> None:
        self._console, self._bundle = console, bundle
        self._separator = open_separator(bundle, compute_device(compute))
        self._films = Conditions(self._separator)
        self._condition = Condition.of(console, self._films, self._separator.condition_size)
        torch.set_num_threads(1)

    def __call__(self, job: Job) -> Job:
        """Do it; a file that cannot be used costs only itself."""
        source, target = Path(job["source"]), Path(job["target"])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix.lower() == CODES:
                separate_file(source, target, self._console, self._bundle)
            else:
                self._sound(source, target)
        except (RtsepError, OSError) as error:
            return {**job, "fault": str(error)}
        return job

    def _sound(self, source: Path, target: Path) -> None:
        """Under its name there is only what is whole."""
        partial = target.with_name(f".{target.name}")
        try:
            with AudioSource(source) as audio:
                rate, channels = audio.sample_rate, audio.channels
                pipeline = Pipeline(self._separator, self._condition, rate, channels)
                with AudioSink(partial, rate, channels, length=audio.length) as sink:
                    render(Worker(pipeline, self._console), audio.blocks(rate), sink)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def run_batch(source: Path, target: Path, console: Console, bundle: str, *, on_ray: bool = False) -> None:
    """Separate what lies in a folder, and in those in it, into another; what is there already is left.

    Raises:
        CommandError: nothing to hear is named, or there is nothing to do it to.
        AudioFileError: some files could not be used; the others are done.
        RtsepError: the model or Ray cannot be had.
    """
    if not console.used:
        raise CommandError("no prompt: name a sound to keep (--prompt) or one to remove (--remove)")
    found = list(jobs(source, target))
    waiting = [job for job in found if not Path(job["target"]).exists()]
    if not found:
        raise CommandError(f"no sound files in {source}: name the folder that they are in")
    faults = 0
    with progress_bar(str(console), len(waiting)) as done:
        for job in _on_ray(waiting, console, bundle) if on_ray else _here(waiting, console, bundle):
            done(1)
            if job["fault"]:
                faults += 1
                say(f"{job['source']}: {job['fault']}")
    say(f"{len(waiting) - faults} separated, {len(found) - len(waiting)} there already")
    if faults:
        raise AudioFileError(f"{faults} of {len(waiting)} files could not be used: see above")


def jobs(source: Path, target: Path) -> Iterator[Job]:
    """A job for every file of a folder, in the order of their names.

    Raises:
        CommandError: it is no folder, or the results would lie in it.
    """
    if not source.is_dir():
        raise CommandError(f"no such folder: {source}")
    if target.resolve().is_relative_to(source.resolve()):
        raise CommandError(f"{target} lies in {source}: results need a folder of their own")
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            to = target / path.relative_to(source)
            if to.resolve().is_relative_to(source.resolve()):  # the target may hold it
                raise CommandError(f"{to} would lie in {source}: results need a folder of their own")
            yield {"source": str(path.resolve()), "target": str(to.resolve()), "fault": ""}


def _here(waiting: Iterable[Job], console: Console, bundle: str) -> Iterator[Job]:
    return map(FileSeparator(console, bundle), waiting)


def _on_ray(waiting: list[Job], console: Console, bundle: str) -> Iterator[Job]:
    try:
        from rtsep.serve.ray_data import each
    except ImportError as error:
        raise ConfigError(f"--ray needs {error.name}: pip install 'rtsep[ray]'") from error
    FileSeparator(console, bundle, "cpu")  # what is wrong for all of them is said once, and here
    rows = [dict(job) for job in waiting]
    yield from (cast("Job", row) for row in each(rows, FileSeparator, (console, bundle, "cpu")))
