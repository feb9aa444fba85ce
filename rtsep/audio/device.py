"""Finding and opening a live sound card.

rtmixer's C callback moves the samples, so a busy Python thread cannot make the card stutter (measured: 0.57 %
dropouts against 43.8 % with a Python callback). It and PortAudio run in a process of their own (``card.py``):
what happens to a device, or to the libraries below, cannot harm this one, and a device that comes back is
opened by a fresh PortAudio.
"""

from __future__ import annotations

import time

from rtsep.audio.callback_memory import Layout
from rtsep.audio.card_process import Card, ask_for_devices
from rtsep.audio.contract import Unwanted
from rtsep.audio.duplex import Duplex
from rtsep.audio.portaudio import JACK, DeviceInfo, Kind
from rtsep.audio.probe import measure_block
from rtsep.audio.rtmixer_transport import RtmixerTransport
from rtsep.errors import DeviceError

_CAPTURED_S = 1.0
"""What the capture ring holds at least. A worker that is later than this has lost what it did not read."""

_QUEUED_S = 4.0
"""What the playback ring holds at least: the longest latency there is, and a second."""

_LOOK_S = 0.02


def list_devices() -> list[DeviceInfo]:
    """All sound cards there are.

    Raises:
        DeviceError: when the PortAudio library is missing.
    """
    return ask_for_devices()[0]


def find_device(text: str | None, kind: Kind) -> DeviceInfo:
    """The device meant by ``text``: an index, a name, or a part of "name, host API" that fits only one.

    Args:
        text: as the user wrote it; None means the system's default.
        kind: which direction it must have channels in.

    Raises:
        DeviceError: when none or several fit; the message lists what there is.
    """
    return _fitting(text, kind, *ask_for_devices())


def find_devices(input_text: str | None, output_text: str | None) -> tuple[DeviceInfo, DeviceInfo]:
    """Both ends of a duplex device, each as :func:`find_device` would find it.

    Raises:
        DeviceError: when none or several fit.
    """
    there, defaults = ask_for_devices()
    return _fitting(input_text, "input", there, defaults), _fitting(output_text, "output", there, defaults)


def _fitting(text: str | None, kind: Kind, there: list[DeviceInfo], defaults: dict[Kind, int]) -> DeviceInfo:
    devices = [device for device in there if device.max_channels(kind) > 0]
    if text is None:
        found = [device for device in devices if device.index == defaults.get(kind)]
    elif text.strip().isdecimal():
        found = [device for device in devices if device.index == int(text)]
    else:
        found = [device for device in devices if device.name == text]
        if len(found) != 1:
            part = text.lower()
            found = [device for device in devices if part in f"{device.name}, {device.host_api}".lower()]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(str(device) for device in found or devices) or "none (plug one in, or start jackd)"
    asked = "default" if text is None else repr(text)
    if found:
        raise DeviceError(f"{asked} fits several {kind} devices, name one of: {listed}")
    raise DeviceError(f"no {kind} device {asked}; there is: {listed}")


def open_device(
    input_device: DeviceInfo,
    output_device: DeviceInfo,
    *,
    sample_rate: int | None = None,
    block: int = 0,
    channels_in: int = 1,
    channels_out: int | None = None,
    unless: Unwanted | None = None,
) -> Duplex:
    """Open a sound card; it runs, silent, and its block is known. ``start`` begins to capture and play.

    Args:
        input_device: where to capture, from :func:`find_device`.
        output_device: where to play; of the same host API.
        sample_rate: samples a second; the output device's own when None.
        block: samples a callback; 0 leaves it to the device (the least latency with JACK).
        channels_in: 1 or 2.
        channels_out: 2 where the device has two when None. ``write`` spreads mono over all of them.
        unless: for a device that has gone: wait until it is there again, by name, at the rate it then has,
            unless this becomes true; it is told what the device refuses.

    Raises:
        DeviceError: when PortAudio is missing, or the device refuses the rate, the channels or the block, or
            the waiting was broken off.
    """
    rate = sample_rate or output_device.default_sample_rate
    if channels_out is None:
        channels_out = min(2, output_device.max_channels_out)
    layout = Layout(
        channels_in, channels_out, _power_of_two(_CAPTURED_S * rate), _power_of_two(_QUEUED_S * rate)
    )
    devices: dict[Kind, DeviceInfo] = {"input": input_device, "output": output_device}

    def opened(block: int) -> tuple[RtmixerTransport, set[int]]:
        card = Card(devices, layout, sample_rate=sample_rate, block=block, patient=unless is not None)
        try:
            _await(card, unless)
            transport = RtmixerTransport(card)
            return transport, measure_block(transport)
        except BaseException:
            card.end()
            raise

    # Asked for a block, PortAudio puts an adapter of one block before JACK even if the server's own
    # period is the same (measured: 512 samples of output latency instead of 256), so ask only if it differs.
    first = 0 if output_device.host_api == JACK else block
    transport, sizes = opened(first)
    if len(sizes) > 1 or (block and block not in (first, transport.block)):
        at_once = transport.block
        transport.halt()
        transport, sizes = opened(block or at_once)
        # Blocks smaller than the driver's period come several at once.
        transport.block = max(at_once, transport.block)
    if len(sizes) > 1:
        transport.halt()
        raise DeviceError(f"{output_device} has no steady block ({sorted(sizes)}): ask for --block 512")
    return Duplex(transport, transport.client)


def _await(card: Card, unless: Unwanted | None) -> None:
    """Wait until a patient card is ready.

    Raises:
        DeviceError: its process has died, or the waiting was broken off.
    """
    while not card.ready:
        if unless is None or unless(card.obstacle) or not card.alive:
            raise DeviceError("the audio device has not come back: plug it in or restart its server")
        time.sleep(_LOOK_S)


def _power_of_two(at_least: float) -> int:
    return 1 << round(at_least).bit_length()
