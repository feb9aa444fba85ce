"""The real device, on a JACK server of our own; what opens it runs in a process of its own."""

import json
import time
from pathlib import Path

import jack_server
import pytest

import rtsep.audio.device
from rtsep.audio.device import find_devices, open_device
from rtsep.errors import DeviceError

LOOP = """
import json, subprocess, time
import numpy as np
from rtsep.audio.device import find_device, open_device

device = open_device(find_device(None, "input"), find_device(None, "output"), block={block}, channels_in=1)
ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
ours_in = next(port for port in ports if port.startswith("PortAudio") and ":in_" in port)
ours_out = next(port for port in ports if port.startswith("PortAudio") and ":out_" in port)
subprocess.run(["jack_disconnect", "system:capture_1", ours_in], check=True)
subprocess.run(["jack_connect", ours_out, ours_in], check=True)
device.start({prefill})

count, number, sent = 0, 0, dict()

def impulses(wanted):
    "Answer everything with silence but for one impulse at a time; returns how late each came back."
    global count, number
    distances, deadline, until = [], time.monotonic() + 15, 0
    while len(distances) < wanted and time.monotonic() < deadline:
        if not device.wait(0.1):
            continue
        heard = device.read()
        answer = np.zeros_like(heard)
        for index in np.flatnonzero(heard[:, 0]):
            which = round(float(heard[index, 0]) * 1024)
            distances.append(count + int(index) - sent.pop(which))
            until = 0
        if count > until:
            # Its own height tells an impulse from one that is late; a lost one is given up in time.
            number = number % 1000 + 1
            sent[number], until = count + len(heard) // 2, count + 24000
            answer[len(heard) // 2] = number / 1024
        device.write(answer)
        count += len(heard)
    return distances

report = dict(block=device.block, latency=device.device_latency_samples, before=impulses(20))
report["dropouts_before"] = device._alignment.dropouts
report["after"] = []
for pause_s in (0.2, 0.02, {long_pause}):
    lost = device.lost_samples
    time.sleep(pause_s)
    impulses(1)  # the one that may have been under way while playback was realigned
    report["after"].append(impulses(10))
    report["silence"] = device.lost_samples - lost
report["alive"] = device.alive
device.stop()
print(json.dumps(report))
"""


def usual(distances: list[int]) -> int:
    """What most impulses measured: a machine in distress may lose a period of the server's, JACK's xrun."""
    most = max(set(distances), key=distances.count)
    assert distances.count(most) > 0.8 * len(distances), distances
    return most


@pytest.mark.parametrize(("block", "true_block", "adapter"), [(0, 256, 0), (256, 256, 0), (512, 512, 512)])
def test_latency_is_exact_to_the_sample_and_exactly_restored_after_underrun_and_overflow(
    jack_environment: dict[str, str], block: int, true_block: int, adapter: int
) -> None:
    prefill = 1100
    program = LOOP.format(block=block, prefill=prefill, long_pause=2.5 if block == 0 else 0.1)
    report = json.loads(jack_server.run(program, jack_environment))
    assert report["block"] == true_block
    assert report["latency"] == [0, 256 + adapter]
    # A loop through the server costs one period, and PortAudio's adapter its block.
    expected = prefill + 256 + adapter
    assert usual(report["before"]) == expected
    for distances in report["after"]:
        assert usual(distances) == expected
    assert report["silence"] > 0
    assert report["alive"]


def test_a_period_that_portaudio_splits_is_told_as_one_block(
    tmp_path_factory: pytest.TempPathFactory, jack_environment: dict[str, str]
) -> None:
    with jack_server.server(tmp_path_factory.mktemp("jack"), period=2048) as environment:
        program = LOOP.format(block=0, prefill=4096, long_pause=0.2)
        report = json.loads(jack_server.run(program, environment))
    assert report["block"] == 2048
    assert usual(report["before"]) == usual(report["after"][0]) == 4096 + 2048


REFUSALS = """
from rtsep.audio.device import find_device, list_devices, open_device
from rtsep.errors import DeviceError

def refused(function, *arguments, **settings):
    try:
        function(*arguments, **settings)
    except DeviceError as error:
        print(error)

(system,) = list_devices()
assert find_device("SYST", "input") == find_device("0", "output") == find_device("system", "input") == system
refused(find_device, "scarlett", "input")
refused(find_device, "7", "output")
refused(open_device, system, system, sample_rate=44100)
refused(open_device, system, system, channels_in=3)
"""


def test_what_the_device_refuses_is_said_with_what_it_offers(jack_environment: dict[str, str]) -> None:
    name, index, rate, channels = jack_server.run(REFUSALS, jack_environment).splitlines()
    there = "0 system, JACK Audio Connection Kit (2 in, 2 out, 48000 Hz)"
    assert name == f"no input device 'scarlett'; there is: {there}"
    assert index == f"no output device '7'; there is: {there}"
    assert "44100 Hz" in rate
    assert "--device-rate 48000" in rate
    assert channels == f"{there} has 2 input channels, not 3: use --channels 2"


STEREO = """
import subprocess, time
import numpy as np
from rtsep.audio.device import find_device, open_device

system = find_device(None, "input")
device = open_device(system, system, channels_in=2, channels_out=2)
ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
ours = [port for port in ports if port.startswith("PortAudio")]
for channel in (0, 1):
    subprocess.run(["jack_disconnect", f"system:capture_{channel + 1}", ours[channel]], check=True)
    subprocess.run(["jack_connect", ours[2 + channel], ours[channel]], check=True)
device.start(2048)
heard, deadline = np.zeros((0, 2)), time.monotonic() + 10
while not (heard[-256:] != 0).all() or len(heard) < 256:
    assert time.monotonic() < deadline
    device.wait(0.1)
    block = device.read()
    device.write(np.tile(np.float32([[0.25, 0.5]]), (len(block), 1)))
    heard = np.concatenate([heard, block])
assert (heard[-1] == [0.25, 0.5]).all()
while not (heard[-256:] == 0.75).all():
    assert time.monotonic() < deadline
    device.wait(0.1)
    block = device.read()
    device.write(np.full((len(block), 1), 0.75, np.float32))
    heard = np.concatenate([heard, block])
device.stop()
assert not device.alive
"""


def test_stereo_channels_keep_apart_and_mono_goes_to_both(jack_environment: dict[str, str]) -> None:
    jack_server.run(STEREO, jack_environment)


ORPHAN = """
import os, signal, subprocess, time
from rtsep.audio.device import find_device, open_device

system = find_device(None, "input")
device = open_device(system, system)
device.start(1024)
deadline = time.monotonic() + 10
while device.alive:
    assert time.monotonic() < deadline
    if device.wait(0.1):
        device.write(device.read())
        os.kill({server}, signal.SIGTERM)
device.stop()
"""


def test_a_server_that_goes_away_under_way_is_noticed_and_the_process_ends(
    tmp_path_factory: pytest.TempPathFactory, jack_environment: dict[str, str]
) -> None:
    with jack_server.server(tmp_path_factory.mktemp("jack"), period=128) as environment:
        jack_server.run(ORPHAN.format(server=environment["JACK_SERVER_PID"]), environment)


def test_a_device_that_is_back_but_refuses_says_what(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("jack")
    with jack_server.server(folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        ends = find_devices(None, None)
    told: list[str | None] = []

    def unwanted(obstacle: str | None) -> bool:
        told.append(obstacle)
        return "not 2" in str(obstacle) or time.monotonic() > deadline

    deadline = time.monotonic() + 60
    with jack_server.server(folder, ports=1), pytest.raises(DeviceError, match="has not come back"):
        open_device(*ends, unless=unwanted)
    assert str(told[-1]).endswith("has 1 output channels, not 2: use --channels 1")


def test_a_missing_portaudio_library_is_told_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DeviceError, match="apt-get install libportaudio2"):
        rtsep.audio.device.list_devices()
