"""Real programs as clients: oscsend, oscdump, Pure Data without a screen; and what DAWs send, replayed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from osc_builders import PATIENCE_S, Client, Setup

from rtsep.control import PARAMETERS, Parameter, Value
from rtsep.osc.address import PARAMETER_AT, address_of
from rtsep.osc.packet import Message, read, write, write_bundle

ROOT = Path(__file__).parents[2]
PATCH = ROOT / "docs" / "daw" / "rtsep.pd"


def program(name: str, package: str) -> str:
    """The path of a program; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail(f"{name} is missing (apt-get install {package})")
        pytest.skip(f"{name} is missing (apt-get install {package})")
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds, or fail."""
    until = time.monotonic() + 3 * PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def another(parameter: Parameter) -> Value:
    """A value that is not the default."""
    if parameter.kind is str:
        return f"sound {parameter.name.split('/')[1]}"
    return not parameter.default if parameter.kind is bool else 0.5


def test_oscsend_reaches_every_parameter_and_oscdump_sees_every_echo(setup: Setup) -> None:
    oscsend, oscdump = program("oscsend", "liblo-tools"), program("oscdump", "liblo-tools")
    port = str(setup.server.address[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    dump = subprocess.Popen([oscdump, "-L", str(free)], stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: _listens(free))
        subprocess.run([oscsend, "127.0.0.1", port, "/rtsep/subscribe", "i", str(free)], check=True)
        wait_until(lambda: setup.server.subscribers == 1)
        for name, parameter in PARAMETERS.items():
            value = another(parameter)
            given = {str: ["s", str(value)], float: ["f", str(value)]}
            arguments = ["T" if value else "F"] if parameter.kind is bool else given[parameter.kind]
            subprocess.run([oscsend, "127.0.0.1", port, address_of(name), *arguments], check=True)
        wait_until(lambda: all(setup.desk.console[name] == another(PARAMETERS[name]) for name in PARAMETERS))
        assert dump.stdout is not None
        said = (line.split(" ", 1)[1] for line in dump.stdout)  # without the time
        read_until(dump, said, {dumped(address, parameter) for address, parameter in PARAMETER_AT.items()})
    finally:
        dump.terminate()
        dump.communicate()


def dumped(address: str, parameter: Parameter) -> str:
    """A parameter's other value as oscdump prints it."""
    value = another(parameter)
    if isinstance(value, str):
        return f'{address} s "{value}"'
    return f"{address} i {value:d}" if parameter.kind is bool else f"{address} f {value:f}"


def read_until(program: subprocess.Popen[str], lines: Iterable[str], wanted: set[str]) -> list[str]:
    """Read what a program says until every wanted line has come; it is killed if that takes too long."""
    said = []
    watchdog = threading.Timer(3 * PATIENCE_S, program.kill)
    watchdog.start()
    try:
        for line in lines:
            said.append(line.strip())
            wanted.discard(line.strip())
            if not wanted:
                return said
    finally:
        watchdog.cancel()
    raise AssertionError(f"never said {wanted}")


def _listens(port: int) -> bool:
    """Whether a UDP port of this computer is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
        return False


def test_the_pure_data_patch_is_made_from_the_table() -> None:
    made = subprocess.run(
        [sys.executable, str(PATCH.with_name("make_pd.py"))],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.stdout == PATCH.read_text(encoding="utf-8")


def test_every_control_of_the_pure_data_patch_works_and_shows_what_others_turn(
    setup: Setup, tmp_path: Path
) -> None:
    pd = program("pd", "puredata-core")
    listener = tmp_path / "listener.pd"
    listener.write_text(
        "#N canvas 0 0 300 200 11;\n"
        "#X obj 10 10 r rtsep-receive;\n#X obj 10 40 print got;\n#X connect 0 0 1 0;\n"
    )
    sends = [f"rtsep-connect 127.0.0.1 {setup.server.address[1]}"]
    for name, parameter in PARAMETERS.items():
        value = another(parameter)
        # A number that a control receives turns it as the mouse does, and it sends; a text box only shows.
        words = str(value).replace(" ", "\\ ")
        sends.append(f"{name}-out symbol {words}" if parameter.kind is str else f"{name}-in {value:g}")
    command = [pd, "-nogui", "-noaudio", "-nomidi", "-stderr", "-open", str(listener), "-open", str(PATCH)]
    run = subprocess.Popen(
        [*command, *(part for send in sends for part in ("-send", send))], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: all(setup.desk.console[name] == another(PARAMETERS[name]) for name in PARAMETERS))
        with Client(setup.server.address) as other:
            other.send("/rtsep/prompt/3/text", "dog barking")
            other.send("/rtsep/gain", -6.0)
            other.receive_at("/rtsep/gain")
        assert run.stderr is not None
        said = read_until(run, run.stderr, {"got: rtsep gain -6", r"got: rtsep prompt 3 text dog\ barking"})
    finally:
        run.terminate()
        run.communicate()
    assert not [line for line in said if "error" in line]


def test_a_region_or_marker_of_reaper_becomes_the_prompt(setup: Setup) -> None:
    """As REAPER sends it: its messages in one bundle, due at once, with much else around."""
    elements = [write("/time", 12.5), write("/beat/str", "1.1.00"), write("/lastregion/name", "dog barking")]
    with Client(setup.server.address) as reaper:
        reaper.send_raw(write_bundle(0, *elements))
        assert reaper.receive_at("/rtsep/prompt/1/text") == ("dog barking",)
        reaper.send("/lastmarker/name", "")  # before the first marker
        reaper.send("/lastmarker/name", "rain")
        assert reaper.receive_at("/rtsep/prompt/1/text") == ("rain",)
    assert [console.strips[0].text for console in setup.host.consoles] == ["dog barking", "rain"]


def test_the_pattern_file_of_reaper_names_what_rtsep_understands() -> None:
    from rtsep.osc.daws import NAMES

    lines = (ROOT / "docs" / "daw" / "rtsep.ReaperOSC").read_text(encoding="ascii").splitlines()
    actions = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    assert actions["LAST_MARKER_NAME"].removeprefix("s") in NAMES
    assert actions["LAST_REGION_NAME"].removeprefix("s") in NAMES
    assert len(actions) == 2  # nothing else is sent, and nothing of REAPER's can be turned by rtsep


def test_a_marker_of_ardour_becomes_the_prompt(setup: Setup) -> None:
    """As Ardour 7 sends it once /set_surface has pointed it here."""
    with Client(setup.server.address) as ardour:
        for text in (
            "No Marks",
            "-> rain",
            "start <-> rain",
            "rain",
            "rain <-> dog barking",
            "dog barking <-",
        ):
            ardour.send("/marker", text)
            ardour.settle()
    setup.wait_for_desk()
    texts = [console.strips[0].text for console in setup.host.consoles]
    assert list(dict.fromkeys(texts)) == ["rain", "dog barking"]


def test_the_selected_track_of_bitwig_becomes_the_prompt(setup: Setup) -> None:
    """As DrivenByMoss sends it: an update is bracketed, and comes with a hundred other things."""
    with Client(setup.server.address) as bitwig:
        bitwig.send("/update", 1)
        bitwig.send("/track/1/name", "Drums")
        bitwig.send("/track/selected/name", "violin")
        bitwig.send("/update", 0)
        assert bitwig.receive_at("/rtsep/prompt/1/text") == ("violin",)


def test_the_scene_selected_in_ableton_live_becomes_the_prompt(setup: Setup) -> None:
    """AbletonOSC is played by sockets: it answers to a fixed port of whoever asked."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as live,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
    ):
        live.bind(("127.0.0.1", 0))
        live.settimeout(3 * PATIENCE_S)
        probe.bind(("127.0.0.1", 0))
        answers = probe.getsockname()
        probe.close()
        ports = {"--live": live.getsockname()[1], "--answers": answers[1], "--rtsep": setup.server.address[1]}
        arguments = [str(part) for flag, port in ports.items() for part in (flag, port)]
        script = subprocess.Popen([sys.executable, str(PATCH.with_name("ableton_names.py")), *arguments])
        try:
            assert read(live.recv(1024))[0].message.address == "/live/view/start_listen/selected_scene"
            live.sendto(write("/live/view/get/selected_scene", 4), answers)
            assert read(live.recv(1024))[0].message == Message("/live/scene/get/name", (4,))
            live.sendto(write("/live/scene/get/name", 4, "dog barking"), answers)
            wait_until(lambda: setup.desk.console.strips[0].text == "dog barking")
        finally:
            script.terminate()
            script.wait()


def test_touchosc_has_floats_for_everything_and_listens_on_a_port_of_its_own(setup: Setup) -> None:
    with Client(setup.server.address) as fingers, Client(setup.server.address) as screen:
        fingers.send("/rtsep/subscribe", float(screen.port))
        fingers.settle()
        fingers.send("/rtsep/prompt/1/mute", 1.0)
        assert screen.receive_at("/rtsep/prompt/1/mute") == (0,)  # every value at once
        assert screen.receive_at("/rtsep/prompt/1/mute") == (1,)
        fingers.send("/rtsep/preset/next", 1.0)
        fingers.send("/rtsep/preset/next", 0.0)
        assert screen.receive_at("/rtsep/preset") in {("",), ("birds",)}
    setup.wait_for_desk()
    assert setup.desk.preset == "birds"
