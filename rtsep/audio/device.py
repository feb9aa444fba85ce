"""Finding and opening a live sound card through PortAudio.

rtmixer's C callback moves the samples, so a busy Python thread cannot make the card stutter
(measured: 0.57 % dropouts against 43.8 % with a Python callback). What PortAudio calls a frame is
called a sample (of all channels) here. sounddevice loads PortAudio when it is imported, and PortAudio
looks for a JACK server only then: everything here imports it on first use.
"""

from dataclasses import dataclass
from typing import Any, Literal

from rtsep.audio.client_name import name_client
from rtsep.audio.duplex import Duplex
from rtsep.audio.probe import open_stream
from rtsep.audio.rtmixer_transport import RtmixerTransport
from rtsep.errors import DeviceError

Kind = Literal["input", "output"]

_JACK = "JACK Audio Connection Kit"


@dataclass(frozen=True)
class DeviceInfo:
    """A sound card as PortAudio lists it; ``index`` is what it goes by in this process."""

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


def list_devices() -> list[DeviceInfo]:
    """All sound cards there are.

    Raises:
        DeviceError: when the PortAudio library is missing.
    """
    library = sounddevice()
    apis = library.query_hostapis()
    return [
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


def find_device(text: str | None, kind: Kind) -> DeviceInfo:
    """The device meant by ``text``: an index, a name, or a part of "name, host API" that fits only one.

    Args:
        text: as the user wrote it; None means the system's default.
        kind: which direction it must have channels in.

    Raises:
        DeviceError: when none or several fit; the message lists what there is.
    """
    devices = [device for device in list_devices() if device.max_channels(kind) > 0]
    if text is None:
        default = sounddevice().query_devices(kind=kind)["index"] if devices else None
        found = [device for device in devices if device.index == default]
    elif text.strip().isdecimal():
        found = [device for device in devices if device.index == int(text)]
    else:
        found = [device for device in devices if device.name == text]
        if len(found) != 1:
            part = text.lower()
            found = [device for device in devices if part in f"{device.name}, {device.host_api}".lower()]
    if len(found) == 1:
        return found[0]
    there = "; ".join(str(device) for device in found or devices) or "none (plug one in, or start jackd)"
    asked = "default" if text is None else repr(text)
    if found:
        raise DeviceError(f"{asked} fits several {kind} devices, name one of: {there}")
    raise DeviceError(f"no {kind} device {asked}; there is: {there}")


def open_device(
    input_device: DeviceInfo,
    output_device: DeviceInfo,
    *,
    sample_rate: int | None = None,
    block: int = 0,
    channels_in: int = 1,
    channels_out: int | None = None,
) -> Duplex:
    """Open a sound card; it runs, silent, and its block is known. ``start`` begins to capture and play.

    Args:
        input_device: where to capture, from :func:`find_device`.
        output_device: where to play; of the same host API.
        sample_rate: samples a second; the output device's own when None.
        block: samples a callback; 0 leaves it to the device (the least latency with JACK).
        channels_in: 1 or 2.
        channels_out: 2 where the device has two when None. ``write`` spreads mono over all of them.

    Raises:
        DeviceError: when PortAudio is missing, or the device refuses the rate, the channels or the block.
    """
    library = sounddevice()
    rate = sample_rate or output_device.default_sample_rate
    if channels_out is None:
        channels_out = min(2, output_device.max_channels_out)
    check_device(input_device, "input", rate, channels_in)
    check_device(output_device, "output", rate, channels_out)
    settings = {
        "device": (input_device.index, output_device.index),
        "channels": (channels_in, channels_out),
        "samplerate": rate,
        "latency": "low",
    }
    # Asked for a block, PortAudio puts an adapter of one block before JACK even if the server's own
    # period is the same (measured: 512 samples of output latency instead of 256), so ask only if it differs.
    first = 0 if output_device.host_api == _JACK else block
    try:
        stream, sizes, at_once = open_stream(settings, first)
        if len(sizes) > 1 or (block and block not in (first, at_once)):
            stream.close()
            stream, sizes, adapted = open_stream(settings, block or at_once)
            at_once = max(at_once, adapted)  # blocks smaller than the driver's period come several at once
    except library.PortAudioError as error:
        raise DeviceError(f"cannot open {input_device} with {output_device} at {rate} Hz: {error}") from error
    if len(sizes) > 1:
        stream.close()
        raise DeviceError(f"{output_device} has no steady block ({sorted(sizes)}): ask for --block 512")
    return Duplex(RtmixerTransport(stream, rate, sizes.pop(), at_once))


def terminate() -> None:
    """Let go of PortAudio, so that a JACK server can be stopped; the next use loads it anew.

    All devices must be stopped before. Without this PortAudio aborts the process on an assertion when
    its JACK server goes away first.
    """
    library = sounddevice()
    while library._initialized:
        library._terminate()


def sounddevice() -> Any:
    """The sounddevice module, with PortAudio initialised.

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
