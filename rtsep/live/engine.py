"""``rtsep.Engine``: live separation from Python, for the length of a ``with``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from rtsep.config import RunSettings, run_settings
from rtsep.control import Command, Console, LoadPreset, Record, ResetCounts, SetParameter, Status, Value
from rtsep.latency import LatencyBudget
from rtsep.live.process import SessionProcess

if TYPE_CHECKING:
    from rtsep.audio.contract import AudioDevice
    from rtsep.separators.protocol import LiveSeparator


class Played(Protocol):
    """What an engine has play: a ``Session``, or one in a process of its own."""

    @property
    def console(self) -> Console:
        """The settings as they stand."""

    @property
    def status(self) -> Status:
        """What it is doing."""

    def submit(self, command: Command) -> None:
        """Have a command obeyed, and wait until the audio worker has it. Raises RtsepError."""

    def start(self) -> None:
        """Begin to process. Raises RtsepError."""

    def close(self) -> None:
        """Stop, and let go of the device; safe to repeat. Raises RtsepError."""


class Engine:
    """Live separation from Python, in a process of its own: no thread of yours takes the sound its time.

    A separator, or a device, that is an object of yours cannot go elsewhere: with one it runs in yours.

    Args:
        prompts: what to hear.
        remove: what to take away.
        separator: a name from ``rtsep bundles``, a bundle's folder, or a separator of your own.
        preset: name or path; the other arguments win.
        set: parameters of README's table by name, such as ``{"prompt/1/gain": -6}``.
        inserts: effects, as ``--insert`` takes them.
        device: an open device, instead of a sound card.
        settings: as the flags of ``rtsep run``: ``input``, ``output``, ``channels``, ``block``, ``osc``, ...

    Raises:
        RtsepError: as the command line would say.
    """

    def __init__(
        self,
        prompts: str | Iterable[str] = (),
        *,
        remove: str | Iterable[str] = (),
        separator: str | LiveSeparator = "default",
        preset: str | None = None,
        set: Mapping[str, Value] | None = None,
        inserts: Iterable[str] = (),
        device: AudioDevice | None = None,
        **settings: Any,
    ) -> None:
        made, console = run_settings(
            preset,
            settings,
            keep=words_of(prompts),
            remove=words_of(remove),
            turned=set,
            inserts=tuple(inserts),
        )
        self._played = _opened(made, console, separator, device)

    @property
    def status(self) -> Status:
        """What it is doing, as of a moment ago: load, levels, dropouts, the console."""
        return self._played.status

    @property
    def latency(self) -> LatencyBudget:
        """The promise, term by term."""
        latency = self.status.latency
        assert latency is not None  # that is settled before there is an object
        return latency

    @property
    def running(self) -> bool:
        """Whether sound is being processed, or a device that has gone is waited for."""
        return self.status.running

    def __getitem__(self, name: str) -> Value:
        """A parameter of README's table, such as ``prompt/1/gain``."""
        return self._played.console[name]

    def __setitem__(self, name: str, value: Value) -> None:
        """Turn a parameter; heard from the next hop on. New words take until they are understood.

        Raises:
            CommandError: there is no such parameter, or the value does not fit it.
        """
        self.submit(SetParameter(name, value))

    def submit(self, command: Command) -> None:
        """Have a command obeyed, and wait until the audio worker has it.

        Raises:
            RtsepError: it cannot be obeyed.
        """
        self._played.submit(command)

    def load_preset(self, name: str) -> None:
        """Take a preset's console.

        Raises:
            ConfigError: there is none of that name.
        """
        self.submit(LoadPreset(name))

    def record(self, on: bool = True) -> None:
        """Start or stop recording input and output to files; the folder is in ``status.recording``."""
        self.submit(Record(on))

    def reset_counts(self) -> None:
        """Count dropouts and clipped samples from zero again."""
        self.submit(ResetCounts())

    def wait(self, seconds: float) -> None:
        """Let it play for a while; returns early where it has stopped."""
        end = time.monotonic() + seconds
        while self.running and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.05, left))

    def close(self) -> None:
        """Stop, and let go of the device; safe to repeat.

        Raises:
            DeviceError: the device had gone meanwhile.
            EngineError: its process had.
        """
        self._played.close()

    def __enter__(self) -> Self:
        """Start; where the settings say so, OSC and the panel as well."""
        self._played.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def words_of(prompts: str | Iterable[str]) -> tuple[str, ...]:
    """One prompt or several."""
    return (prompts,) if isinstance(prompts, str) else tuple(prompts)


def _opened(
    settings: RunSettings, console: Console, separator: str | LiveSeparator, device: AudioDevice | None
) -> Played:
    """In a process of its own, unless it is to use an object of this one."""
    if isinstance(separator, str) and device is None:
        return SessionProcess(settings, console, separator)
    from rtsep.live.session import Session, opened  # loads torch, which the other way does not need here

    return Session(settings, console, opened(separator, settings), device=device)
