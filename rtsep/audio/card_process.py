"""Starting the process of a sound card, and ending it whatever has become of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from typing import Any

from rtsep.audio.callback_memory import CallbackMemory, Layout, SharedBytes, size
from rtsep.audio.portaudio import DeviceInfo, Kind
from rtsep.errors import DeviceError

_ENDS_S = 1.0
"""A card that is asked to end gets so long before it is killed."""

_ATTEMPTS = 3
"""A process that dies without a word, as libjack may have it, is started again."""


def ask_for_devices() -> tuple[list[DeviceInfo], dict[Kind, int]]:
    """All sound cards there are now, and the indices of the system's defaults.

    Raises:
        DeviceError: when the PortAudio library is missing.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.closing(_Process({})) as process:
            answer = process.answer()
        if answer is not None:
            return [DeviceInfo(**device) for device in answer["devices"]], answer["defaults"]
    raise DeviceError("the process that looks for sound cards dies: " + process.last_words)


class Card:
    """A running stream in a process of its own, and the memory that its callback works on.

    Args:
        devices: by direction, from :func:`ask_for_devices`.
        layout: channels and rings.
        sample_rate: samples a second; the output's own if None.
        block: samples a callback; 0 leaves it to the device.
        latency: ``low`` or ``high``.
        patient: return at once and wait, in the other process, until the devices are there; ``ready`` says
            when. Then the devices' own rate is taken if they refuse ``sample_rate``.

    Raises:
        DeviceError: the devices are not there, or refuse; never if ``patient``.
    """

    def __init__(
        self,
        devices: dict[Kind, DeviceInfo],
        layout: Layout,
        *,
        sample_rate: int | None,
        block: int,
        latency: str = "low",
        patient: bool = False,
    ) -> None:
        self.layout = layout
        self._order = {
            "devices": {kind: vars(device) for kind, device in devices.items()},
            "layout": layout.as_dict(),
            "sample_rate": sample_rate,
            "block": block,
            "latency": latency,
            "patient": patient,
        }
        self._lock = threading.Lock()
        self._ended = False
        self.ready = False
        self.obstacle: str | None = None
        """Of a patient one: what the devices refuse, or no words where they are not there."""
        self._start()
        if patient:
            threading.Thread(target=self._await_quietly, name="rtsep-card", daemon=True).start()
            return
        self._await()
        if not self.ready:
            raise DeviceError("the process of the sound card dies: " + self._process.last_words)

    def _start(self) -> None:
        self._shared = SharedBytes(size(self.layout))
        keep = () if self._shared.descriptor is None else (self._shared.descriptor,)
        self._process = _Process(self._order | {"memory": self._shared.name}, keep)

    def _await(self) -> None:
        """Take the answer; start again where there is none."""
        for attempt in range(1, _ATTEMPTS + 1):
            while (answer := self._process.answer()) is not None and "obstacle" in answer:
                self.obstacle = answer["obstacle"]
            if answer is not None:
                self._take_over(answer)
                return
            with self._lock:
                self._let_go()
                if self._ended or attempt == _ATTEMPTS:
                    return
                self._start()

    def _await_quietly(self) -> None:
        with contextlib.suppress(DeviceError):  # it was ended meanwhile
            self._await()

    def _take_over(self, answer: dict[str, Any]) -> None:
        self.sample_rate: int = answer["sample_rate"]
        self.latency_samples: tuple[int, int] = (answer["latency"][0], answer["latency"][1])
        self.devices: dict[Kind, DeviceInfo] = {
            kind: DeviceInfo(**device) for kind, device in answer["devices"].items()
        }
        self.client: str = answer["client"]
        self.memory = CallbackMemory(self._shared, self.layout, answer["home"])
        self.ready = True

    @property
    def alive(self) -> bool:
        """Whether the process is there; it ends when the card goes away."""
        return self._process.alive

    def end(self) -> None:
        """Stop the stream and end the process; a second time does nothing."""
        with self._lock:
            self._ended = True
            self._let_go()

    def _let_go(self) -> None:
        self._process.close()
        self._shared.close()


class _Process:
    """``python -m rtsep.audio.card`` with an order."""

    def __init__(self, order: dict[str, Any], keep: tuple[int, ...] = ()) -> None:
        self._closing = threading.Lock()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.last_words = ""
        """Once it has ended: its exit code, and the last line it wrote to standard error."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rtsep.audio.card", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            pass_fds=keep,
        )

    def answer(self) -> dict[str, Any] | None:
        """What it answers; None if it died without a word.

        Raises:
            DeviceError: that is what it answers.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        if answer is not None and "error" in answer:
            self.close()
            raise DeviceError(answer["error"])
        return answer

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Close its input, and kill it if that is not enough; any thread may, a second time does nothing."""
        with self._closing:
            if not self._said.closed:
                self._end()

    def _end(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._said.seek(0)
        lines = [line for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        self.last_words = " ".join([f"code {process.returncode}", *lines[-1:]])
        self._said.close()
