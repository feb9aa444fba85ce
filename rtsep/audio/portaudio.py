"""PortAudio itself: what sound cards there are, and streams whose callback is rtmixer's.

Only the process of a card (``card.py``) calls it. PortAudio keeps its list of devices until it is terminated,
waits for ever for a JACK server that is gone, aborts on an assertion, and libjack may crash when a stream is
closed (its notification thread reads the list of ports while they are unregistered, jack2 issue 216; seen
here): whoever is to go on must not share a process with it. What PortAudio calls a frame is called a sample
(of all channels) here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rtsep.audio.callback_memory import CallbackMemory
from rtsep.audio.client_name import name_client
from rtsep.errors import DeviceError

Kind = Literal["input", "output"]

JACK = "JACK Audio Connection Kit"


class MissingDeviceError(DeviceError):
    """A device that was listed before is not in the list now."""


@dataclass(frozen=True)
class DeviceInfo:
    """A sound card as PortAudio lists it; ``index`` is what it goes by until the list changes."""

    index: int
    name: str
    host_api: str
    max_channels_in: int
    max_channels_out: int
    default_sample_rate: int

    def __str__(self) -> str:
        """``0 system, JACK (2 in, 2 out, 48000 Hz)``."""
        channels = f"{self.max_channels_in} in, {self.max_channels_out} out"
        return f"{self.index} {self.name}, {self.host_api} ({channels}, {self.default_sample_rate} Hz)"

    def max_channels(self, kind: Kind) -> int:
        """Channels it has in that direction."""
        return self.max_channels_in if kind == "input" else self.max_channels_out

    def same(self, other: DeviceInfo) -> bool:
        """Whether both go by the same name; the index may be another after something was plugged in."""
        return (self.name, self.host_api) == (other.name, other.host_api)


def list_devices() -> tuple[list[DeviceInfo], dict[Kind, int]]:
    """All sound cards there are, and the indices of the defaults: JACK's if a server runs, or the system's.

    Raises:
        DeviceError: when the PortAudio library is missing.
    """
    library = sounddevice()
    apis = library.query_hostapis()
    devices = [
        DeviceInfo(
            index=int(entry["index"]),
            name=str(entry["name"]),
            host_api=str(apis[entry["hostapi"]]["name"]),
            max_channels_in=int(entry["max_input_channels"]),
            max_channels_out=int(entry["max_output_channels"]),
            default_sample_rate=round(entry["default_samplerate"]),
        )
        for entry in library.query_devices()
    ]
    # Where a JACK server runs it has the sound card, and less latency than what ALSA offers beside it.
    first = next((api for api in apis if api["name"] == JACK and api["devices"]), None)
    defaults: dict[Kind, int] = {}
    kinds: tuple[Kind, ...] = ("input", "output")
    for kind in kinds:
        if first is not None and first[f"default_{kind}_device"] >= 0:
            defaults[kind] = int(first[f"default_{kind}_device"])
        elif any(device.max_channels(kind) for device in devices):
            defaults[kind] = int(library.query_devices(kind=kind)["index"])
    return devices, defaults


def refind(wanted: DeviceInfo, kind: Kind, devices: list[DeviceInfo]) -> DeviceInfo:
    """The device of that name and host API in a new list; of several alike the one with the old index.

    Raises:
        MissingDeviceError: it is not there.
    """
    alike = [device for device in devices if device.same(wanted) and device.max_channels(kind)]
    if not alike:
        there = "; ".join(str(device) for device in devices) or "none (plug one in, or start jackd)"
        raise MissingDeviceError(f"no {kind} device {wanted.name!r} of {wanted.host_api}; there is: {there}")
    return next((device for device in alike if device.index == wanted.index), alike[0])


def check_device(device: DeviceInfo, kind: Kind, rate: int, channels: int) -> None:
    """Refuse what the device refuses, in words that say what it offers.

    Raises:
        DeviceError: for a rate in Hz or a channel count that the device does not take.
    """
    most = device.max_channels(kind)
    if not 1 <= channels <= most:
        way_out = f"use --channels {min(2, most)}" if most else "choose another"
        raise DeviceError(f"{device} has {most} {kind} channels, not {channels}: {way_out}")
    library = sounddevice()
    check = library.check_input_settings if kind == "input" else library.check_output_settings
    try:
        check(device=device.index, channels=channels, dtype="float32", samplerate=rate)
    except library.PortAudioError as error:
        raise DeviceError(
            f"{device} refuses {rate} Hz as {kind}: use --device-rate {device.default_sample_rate} ({error})"
        ) from error


def open_stream(
    memory: CallbackMemory, devices: dict[Kind, DeviceInfo], rate: int, block: int, latency: str
) -> Any:
    """Open and start a stream over input, output or both, which works on ``memory``.

    Args:
        memory: filled in; says how many channels.
        devices: by direction.
        rate: samples a second.
        block: samples a callback; 0 leaves it to the device.
        latency: ``low`` or ``high``.

    Raises:
        DeviceError: the device refuses.
    """
    import _rtmixer

    library = sounddevice()
    channels = {"input": memory.layout.channels_in, "output": memory.layout.channels_out}
    for kind, device in devices.items():
        check_device(device, kind, rate, channels[kind])
    both = len(devices) == 2
    indices = tuple(device.index for device in devices.values())
    counts = tuple(channels[kind] for kind in devices)
    memory.state.samplerate = rate
    try:
        stream = library._StreamBase(
            kind="duplex" if both else next(iter(devices)),
            device=indices if both else indices[0],
            channels=counts if both else counts[0],
            samplerate=rate,
            blocksize=block,
            latency=latency,
            dtype="float32",
            callback=_rtmixer.ffi.addressof(_rtmixer.lib, "callback"),
            userdata=memory.state,
        )
        stream.start()
    except library.PortAudioError as error:
        names = " with ".join(str(device) for device in devices.values())
        raise DeviceError(f"cannot open {names} at {rate} Hz: {error}") from error
    return stream


def terminate() -> None:
    """Let go of PortAudio, which forgets its list of devices; the next use makes a new one."""
    library = sounddevice()
    while library._initialized:
        library._terminate()


def sounddevice() -> Any:
    """The sounddevice module, with PortAudio initialised.

    It loads PortAudio when it is imported, and PortAudio looks for a JACK server only then.

    Raises:
        DeviceError: when the PortAudio library is missing.
    """
    name_client()
    try:
        import sounddevice as library
    except OSError as error:
        raise DeviceError(f"no PortAudio library ({error}): apt-get install libportaudio2") from error
    if not library._initialized:
        library._initialize()
    return library
