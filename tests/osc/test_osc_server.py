"""The server, over real UDP, before the real desk."""

from __future__ import annotations

import socket
import time

import pytest
from osc_builders import PATIENCE_S, Client, Setup

from rtsep.control import PARAMETERS, Console, Quit, Record, ResetCounts
from rtsep.errors import ConfigError, EngineError
from rtsep.osc.address import address_of
from rtsep.osc.packet import Message, write, write_bundle
from rtsep.osc.schedule import FARTHEST_S
from rtsep.osc.server import OscServer


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_can_be_set_and_is_answered_and_asked_for(
    client: Client, setup: Setup, name: str
) -> None:
    parameter = PARAMETERS[name]
    value = (
        "dog barking" if parameter.kind is str else (not parameter.default if parameter.kind is bool else 0.5)
    )
    client.send(address_of(name), value)
    assert client.receive_at(address_of(name)) == (value,)
    assert client.ask(address_of(name)) == (value,)
    assert setup.desk.console[name] == value


def test_prompt_alone_is_the_text_of_strip_1(client: Client, setup: Setup) -> None:
    client.send("/rtsep/prompt", "dog barking")
    assert client.receive_at("/rtsep/prompt/1/text") == ("dog barking",)
    assert client.ask("/rtsep/prompt") == ("dog barking",)
    assert setup.desk.console.strips[0].text == "dog barking"


def test_who_can_only_send_0_to_1_has_faders(client: Client, setup: Setup) -> None:
    client.send("/rtsep/prompt/*/gain/fader", 1.0)
    assert client.receive_at("/rtsep/prompt/8/gain") == (24.0,)
    assert client.ask("/rtsep/prompt/8/gain/fader") == (1.0,)
    assert {strip.gain_db for strip in setup.desk.console.strips} == {24.0}
    client.send("/rtsep/gain/fader", 1.5)
    assert client.receive_at("/rtsep/error") == ("a position of gain is 1.5, but must be from 0 to 1",)


def test_words_may_come_one_by_one(client: Client) -> None:
    client.send("/rtsep/prompt/2/text", "dog", "barking", 2)
    assert client.receive_at("/rtsep/prompt/2/text") == ("dog barking 2",)


@pytest.mark.parametrize("argument", [b",T\0\0", b",i\0\0\0\0\0\1", b",f\0\0\x3f\x80\0\0"])
def test_a_switch_may_be_t_or_i_or_f(client: Client, argument: bytes) -> None:
    client.send_raw(b"/rtsep/bypass\0\0\0" + argument)
    assert client.receive_at("/rtsep/bypass") == (1,)


def test_a_pattern_sets_everything_it_matches(client: Client, setup: Setup) -> None:
    client.send("/rtsep/prompt/[2-4]/{mute,solo}", 1)
    client.settle()
    setup.wait_for_desk()
    console = setup.desk.console
    assert [strip.mute for strip in console.strips] == [False, True, True, True] + [False] * 4
    assert [strip.solo for strip in console.strips] == [False, True, True, True] + [False] * 4


def test_a_pattern_sets_nothing_if_one_of_its_matches_does_not_take_the_value(
    client: Client, setup: Setup
) -> None:
    client.send("/rtsep/prompt/1/*", 3.0)
    assert "text" in str(client.receive_at("/rtsep/error"))
    setup.wait_for_desk()
    assert setup.desk.console["prompt/1/gain"] == 0.0


def test_a_pattern_asks_for_everything_it_matches(client: Client) -> None:
    client.send("/rtsep/meter/*")
    assert {client.receive().address, client.receive().address} == {"/rtsep/meter/in", "/rtsep/meter/out"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("/rtsep/latency", (42.5,)),
        ("/rtsep/latency/hop", (10.0,)),
        ("/rtsep/latency/device_in", (5.5,)),
        ("/rtsep/load", (0.25,)),
        ("/rtsep/dropouts", (3,)),
        ("/rtsep/seconds", (12.5,)),
        ("/rtsep/meter/in", (-6.0, -18.0, 2)),
        ("/rtsep/meter/out", (-3.0, -12.0, 0)),
        ("/rtsep/preset", ("",)),
        ("/rtsep/record", (0,)),
    ],
)
def test_readings_are_answered(client: Client, address: str, values: tuple[object, ...]) -> None:
    assert client.ask(address) == values


def test_a_reading_cannot_be_set(client: Client) -> None:
    client.send("/rtsep/load", 0.5)
    assert client.receive_at("/rtsep/error") == ("/rtsep/load can only be read: send it without a value",)


def test_presets_are_loaded_stepped_through_and_saved(client: Client, setup: Setup) -> None:
    client.send("/rtsep/preset", "kitchen")
    assert client.receive_at("/rtsep/preset") == ("kitchen",)
    client.send("/rtsep/preset/next", 1.0)
    assert client.receive_at("/rtsep/preset") == ("birds",)
    client.send("/rtsep/preset/previous")
    assert client.receive_at("/rtsep/preset") == ("kitchen",)
    client.send("/rtsep/preset/next", 0.0)  # a button that is let go
    client.send("/rtsep/preset/save", "mine")
    assert client.receive_at("/rtsep/preset") == ("mine",)
    assert setup.presets.kept["mine"].strips[1].negative


def test_recording_and_counting_again_are_obeyed(client: Client, setup: Setup) -> None:
    client.send("/rtsep/record", 1)
    assert client.receive_at("/rtsep/record") == (1,)
    client.send("/rtsep/reset")
    assert client.receive_at("/rtsep/dropouts") == (0,)
    assert setup.host.obeyed == [Record(True), ResetCounts()]


def test_quit_is_obeyed_and_needs_no_answer(client: Client, setup: Setup) -> None:
    client.send("/rtsep/quit")
    client.send("/rtsep/reset")
    assert client.receive_at("/rtsep/dropouts") == (0,)
    assert setup.host.obeyed == [Quit(), ResetCounts()]


@pytest.mark.parametrize("name", ["/etc/passwd", "../mine", "C:\\\\mine", ".mine"])
@pytest.mark.parametrize("address", ["/rtsep/preset", "/rtsep/preset/save"])
def test_a_preset_from_elsewhere_is_never_a_path(client: Client, address: str, name: str) -> None:
    client.send(address, name)
    assert "by its name over OSC, not by a path" in str(client.receive_at("/rtsep/error"))


def test_a_flood_of_saving_does_not_fill_the_disk(client: Client, setup: Setup) -> None:
    for number in range(200):
        client.send("/rtsep/preset/save", f"preset {number}")
    assert "more than 10 actions a second" in str(client.receive_at("/rtsep/error"))
    client.settle()
    setup.wait_for_desk()
    assert len(setup.presets.kept) < 40


@pytest.mark.parametrize(
    ("address", "values", "said"),
    [
        ("/rtsep/gain", (99.0,), "gain is 99, but must be from -60 to 24 dB"),
        ("/rtsep/gain", (float("nan"),), "gain is nan, but must be from -60 to 24 dB"),
        ("/rtsep/gain", ("loud",), "/rtsep/gain takes one number, not 'loud'"),
        ("/rtsep/gain", (1.0, 2.0), "/rtsep/gain takes one number, not 1.0 2.0"),
        ("/rtsep/bypass", (2,), "bypass is 2, but must be on or off (1 or 0)"),
        ("/rtsep/prompt", (5.0,), "/rtsep/prompt/1/text takes words, not 5"),
        ("/rtsep/prompt", ("x" * 301,), "prompt/1/text has 301 characters, at most 300 are read"),
        ("/rtsep/preset", ("nowhere",), "no preset 'nowhere': have birds, kitchen"),
        ("/rtsep/preset/save", (), "/rtsep/preset/save takes words, not nothing"),
        ("/rtsep/record", (7,), "/rtsep/record is 7, but must be on or off (1 or 0)"),
        ("/rtsep/volume", (1.0,), "nothing is at /rtsep/volume: see docs/osc.md"),
        ("/rtsep/[", (), "nothing is at /rtsep/[: see docs/osc.md"),
        ("/rtsep/subscribe/meters", (31,), "but must be 0 to 30 a second"),
        ("/rtsep/subscribe", (0,), "a port is a number from 1 to 65535"),
        ("/rtsep/subscribe", (9000, "192.0.2.1"), "only 127.0.0.1 itself can ask"),
    ],
)
def test_an_error_goes_back_in_one_line(
    client: Client, address: str, values: tuple[float | str, ...], said: str
) -> None:
    client.send(address, *values)
    (text,) = client.receive_at("/rtsep/error")
    assert said in str(text)
    assert "\n" not in str(text)


def test_an_error_that_comes_in_is_never_answered(client: Client) -> None:
    client.send("/rtsep/error", "nothing is at /x")
    assert client.settle() == []


def test_a_prompt_that_cannot_be_learned_is_told_when_that_is_known(client: Client, setup: Setup) -> None:
    setup.host.unknown.add("gibberish")
    client.send("/rtsep/prompt", "gibberish")
    assert client.receive_at("/rtsep/error") == ("gibberish: the encoder knows no such words",)


def test_a_question_waits_for_the_answer_to_what_was_set_before_it_and_no_other_does(
    client: Client, setup: Setup
) -> None:
    setup.host.unknown.add("dog")
    setup.host.may_learn.clear()
    client.send("/rtsep/prompt", "dog")
    client.send("/rtsep/prompt/1/text")
    client.send("/rtsep/gain", 3.0)
    assert client.receive_at("/rtsep/gain") == (3.0,)
    setup.host.may_learn.set()
    assert client.receive_at("/rtsep/prompt/1/text") == ("dog",)


def test_a_bundle_that_is_due_is_obeyed_in_order(client: Client, setup: Setup) -> None:
    gains = [write("/rtsep/gain", float(gain)) for gain in (1, 2, 3)]
    client.send_raw(
        write_bundle(0, gains[0], write_bundle(1.0, gains[1]), gains[2], write("/rtsep/wet", 0.5))
    )
    assert client.receive_at("/rtsep/wet") == (0.5,)
    assert setup.desk.console.gain_db == 3.0


def test_what_is_due_soon_is_held_and_nothing_waits_behind_it(client: Client) -> None:
    began = time.time()
    client.send_raw(write_bundle(began + 0.2, write("/rtsep/gain", 6.0)))
    client.send("/rtsep/wet", 0.5)
    assert [client.receive(), client.receive()] == [
        Message("/rtsep/wet", (0.5,)),
        Message("/rtsep/gain", (6.0,)),
    ]
    assert time.time() - began >= 0.2


def test_what_is_due_later_comes_in_the_order_of_the_time_tags(client: Client) -> None:
    now = time.time()
    for ahead in (0.15, 0.05, 0.1):
        client.send_raw(write_bundle(now + ahead, write("/rtsep/gain", round(ahead * 100))))
    assert [client.receive_at("/rtsep/gain") for _ in range(3)] == [(5.0,), (10.0,), (15.0,)]


def test_what_is_due_far_in_the_future_is_refused_and_told(client: Client, setup: Setup) -> None:
    client.send_raw(write_bundle(time.time() + 3600, write("/rtsep/gain", 6.0)))
    (text,) = client.receive_at("/rtsep/error")
    assert "its time tag lies 3600 s ahead" in str(text)
    assert f"at most {FARTHEST_S:.0f} s are held" in str(text)
    assert setup.server.counts.malformed == 0


def test_a_burst_of_a_fader_arrives_at_its_last_position(client: Client, setup: Setup) -> None:
    for step in range(300):
        client.send("/rtsep/gain", -60 + step * 0.25)
    while client.receive_at("/rtsep/gain") != (14.75,):
        pass
    assert setup.desk.console.gain_db == 14.75


def test_a_port_in_use_is_told_in_one_line(setup: Setup) -> None:
    with pytest.raises(EngineError, match=r"OSC cannot listen on 127.0.0.1 port \d+ .*choose another port"):
        OscServer(setup.desk, lambda: setup.status, port=setup.server.address[1])


def test_a_host_that_is_none_is_told(setup: Setup) -> None:
    with pytest.raises(ConfigError, match=r"no such address"):
        OscServer(setup.desk, lambda: setup.status, host="nowhere.invalid")


def test_an_address_of_another_computer_is_told(setup: Setup) -> None:
    with pytest.raises(ConfigError, match=r"OSC on 192\.0\.2\.1: that is no address of this computer"):
        OscServer(setup.desk, lambda: setup.status, host="192.0.2.1", port=0, allow=["192.0.2.0/24"])


def test_a_server_that_others_can_reach_needs_to_know_whom_to_trust(setup: Setup) -> None:
    with pytest.raises(ConfigError, match="say who may send"):
        OscServer(setup.desk, lambda: setup.status, host="0.0.0.0", port=0)


def test_it_speaks_ipv6_as_well(setup: Setup) -> None:
    try:
        server = OscServer(setup.desk, lambda: setup.status, host="::1", port=0)
    except ConfigError:
        pytest.skip("no IPv6 here")
    with server, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.sendto(write("/rtsep/gain"), server.address)
        assert client.recv(100) == write("/rtsep/gain", 0.0)


def test_closing_gives_the_port_back(setup: Setup) -> None:
    with OscServer(setup.desk, lambda: setup.status, port=0) as server:
        port = server.address[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))


def test_a_desk_that_is_closed_is_told_to_the_sender() -> None:
    setup = Setup(Console())
    with setup.server, Client(setup.server.address) as client:
        setup.desk.close()
        client.send("/rtsep/gain", 3.0)
        assert "the engine has stopped" in str(client.receive_at("/rtsep/error"))
        assert client.ask("/rtsep/gain") == (0.0,)
