"""What rtmixer's C callback works on, laid out in memory that two processes see.

The callback runs in the process of the card (``card.py``), which owns PortAudio and may be killed with it.
Everything it touches lies in one mapping: its state, the two queues through which actions come and go, the
actions themselves, and the rings of samples. This process reads and writes the same bytes, so that a sample
costs no more than with both in one process. Only pointers need care: those inside the mapping are addresses
in the card's process (``home``).
"""

from __future__ import annotations

import mmap
import sys
import tempfile
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_QUEUE = 16
"""Actions under way at once; a power of two."""

_ALIGNMENT = 64
_POINTER = 8


@dataclass(frozen=True)
class Layout:
    """Sizes from which every offset follows, the same in both processes."""

    channels_in: int
    channels_out: int
    captured: int
    """Samples the capture ring holds, a power of two; of no use where nothing is captured."""
    queued: int
    """The same of the playback ring."""

    def as_dict(self) -> dict[str, int]:
        """The fields, for the way to the other process."""
        return asdict(self)


class SharedBytes:
    """A mapping that a process started by this one can open; it leaves no file behind, whoever is killed.

    Args:
        size: bytes.
        name: of one that is there; a new one if None.
    """

    def __init__(self, size: int, name: str | None = None) -> None:
        self.descriptor: int | None = None
        self._file: Any = None
        if sys.platform == "win32":
            self.name = name or f"rtsep-{uuid.uuid4()}"
            self.bytes = mmap.mmap(-1, size, tagname=self.name)
            return
        if name is None:
            in_memory = Path("/dev/shm")
            folder = in_memory if in_memory.is_dir() else None
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
            self._file.truncate(size)
            self.descriptor = self._file.fileno()
        else:
            self.descriptor = int(name)
        self.name = str(self.descriptor)
        self.bytes = mmap.mmap(self.descriptor, size)

    def close(self) -> None:
        """Let go of the file; the mapping goes with its last user."""
        if self._file is not None:
            self._file.close()


class Ring:
    """One of PortAudio's rings, used from outside the callback; one process writes, the other reads.

    The indices in the mapping are the truth; the copy of the structure here has a pointer that is good here.
    """

    def __init__(self, shared: Any, data: Any, element_size: int, size: int) -> None:
        import _rtmixer

        self._ffi, self._lib = _rtmixer.ffi, _rtmixer.lib
        self.shared, self._size, self._element_size = shared, size, element_size
        self._own = self._ffi.new("PaUtilRingBuffer*")
        self._lib.PaUtil_InitializeRingBuffer(self._own, element_size, size, data)

    def waiting(self) -> int:
        """Elements to be read."""
        self._own.writeIndex, self._own.readIndex = self.shared.writeIndex, self.shared.readIndex
        return int(self._lib.PaUtil_GetRingBufferReadAvailable(self._own))

    def read(self, most: int | None = None) -> bytearray:
        """Take all elements that wait, or at most so many."""
        count = self.waiting() if most is None else min(most, self.waiting())
        taken = bytearray(count * self._element_size)
        self._lib.PaUtil_ReadRingBuffer(self._own, self._ffi.from_buffer(taken), count)
        self.shared.readIndex = self._own.readIndex
        return taken

    def write(self, elements: Any) -> int:
        """Put in a buffer of elements; returns how many fitted."""
        self._own.writeIndex, self._own.readIndex = self.shared.writeIndex, self.shared.readIndex
        source = self._ffi.from_buffer(elements)
        count = len(source) // self._element_size
        written = int(self._lib.PaUtil_WriteRingBuffer(self._own, source, count))
        self.shared.writeIndex = self._own.writeIndex
        return written

    def flush(self) -> None:
        """Empty it; only while the callback does not use it."""
        self.shared.readIndex = self.shared.writeIndex = 0


class CallbackMemory:
    """The mapping as the structures in it.

    Args:
        shared: the mapping, at least :meth:`size` bytes.
        layout: the same as the other process has.
        home: address of the mapping where the callback runs; this process if None, which then fills it in,
            but for ``state.samplerate``.
    """

    def __init__(self, shared: SharedBytes, layout: Layout, home: int | None = None) -> None:
        import _rtmixer

        self.ffi, self.lib = _rtmixer.ffi, _rtmixer.lib
        self.layout = layout
        self._mapping = shared  # keeps it mapped
        self._bytes = self.ffi.from_buffer(shared.bytes)
        self.base = int(self.ffi.cast("uintptr_t", self._bytes))
        self.home = self.base if home is None else home
        places = _places(layout)
        self.state = self._at("struct state*", places["state"])
        self._actions, self._action_size = places["actions"], _action_size(layout)
        if home is None:
            self._bytes[0 : len(self._bytes)] = bytes(len(self._bytes))  # so that no page is missing later
            self._fill_in(places)
        self.action_queue = self._ring("action_queue", places, _POINTER, _QUEUE)
        self.result_queue = self._ring("result_queue", places, _POINTER, _QUEUE)
        self.captured = self._ring("captured", places, 4 * max(1, layout.channels_in), layout.captured)
        self.queued = self._ring("queued", places, 4 * max(1, layout.channels_out), layout.queued)
        self._ring_homes = {name: self.home + places[name] for name in ("captured", "queued")}

    def action(self, slot: int) -> Any:
        """The action of a slot, 0 to ``SLOTS`` - 1, cleared."""
        offset = self._actions + slot * self._action_size
        self.ffi.memmove(self._bytes + offset, bytes(self._action_size), self._action_size)
        return self._at("struct action*", offset)

    def action_home(self, slot: int) -> int:
        """Its address where the callback runs."""
        return self.home + self._actions + slot * self._action_size

    def slot(self, address: int) -> int:
        """The slot of an action that came back."""
        return (address - self.home - self._actions) // self._action_size

    def ring_home(self, name: str) -> Any:
        """Pointer to the ring ``captured`` or ``queued`` where the callback runs."""
        return self.ffi.cast("struct PaUtilRingBuffer*", self._ring_homes[name])

    def _fill_in(self, places: dict[str, int]) -> None:
        """Rings and state, with this process's addresses."""
        layout = self.layout
        for name, element, count in _rings(layout):
            ring, data = self._at("PaUtilRingBuffer*", places[name]), self._bytes + places[f"{name} data"]
            self.lib.PaUtil_InitializeRingBuffer(ring, element, count, data)
        self.state.input_channels, self.state.output_channels = layout.channels_in, layout.channels_out
        self.state.action_q = self._at("PaUtilRingBuffer*", places["action_queue"])
        self.state.result_q = self._at("PaUtilRingBuffer*", places["result_queue"])

    def _ring(self, name: str, places: dict[str, int], element: int, count: int) -> Ring:
        shared = self._at("PaUtilRingBuffer*", places[name])
        return Ring(shared, self._bytes + places[f"{name} data"], element, count)

    def _at(self, kind: str, offset: int) -> Any:
        return self.ffi.cast(kind, self._bytes + offset)


SLOTS = _QUEUE - 1
"""Actions that can be under way at once: the queue for results must have room for all."""


def size(layout: Layout) -> int:
    """Bytes that a mapping needs."""
    return _places(layout)["end"]


def _rings(layout: Layout) -> tuple[tuple[str, int, int], ...]:
    """Name, bytes of an element, elements."""
    return (
        ("action_queue", _POINTER, _QUEUE),
        ("result_queue", _POINTER, _QUEUE),
        ("captured", 4 * max(1, layout.channels_in), layout.captured),
        ("queued", 4 * max(1, layout.channels_out), layout.queued),
    )


def _action_size(layout: Layout) -> int:
    import _rtmixer

    ffi = _rtmixer.ffi
    channels = max(layout.channels_in, layout.channels_out)
    return _aligned(ffi.sizeof("struct action") + channels * ffi.sizeof("frame_t"))


def _places(layout: Layout) -> dict[str, int]:
    """Offset of every part, and of the end."""
    import _rtmixer

    ffi = _rtmixer.ffi
    parts = {"state": ffi.sizeof("struct state"), "actions": SLOTS * _action_size(layout)}
    for name, element, count in _rings(layout):
        parts |= {name: ffi.sizeof("PaUtilRingBuffer"), f"{name} data": element * count}
    places, offset = {}, 0
    for name, length in parts.items():
        places[name], offset = offset, offset + _aligned(length)
    return places | {"end": offset}


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT
