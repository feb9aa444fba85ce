"""Controls from elsewhere: what may be bound, what their positions mean, and how they are kept and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from osc_builders import Client, RecordingHost, Setup

from rtsep.control import (
    Bind,
    Bindings,
    Console,
    Learn,
    LoadPreset,
    SavePreset,
    SetParameter,
    Touch,
    Unlearn,
    check_source,
)
from rtsep.control.bindings import MOST_BINDINGS
from rtsep.control.touch import TAP_S
from rtsep.desk import Desk
from rtsep.errors import CommandError, ConfigError
from rtsep.osc.packet import LARGEST, write
from rtsep.presets import Presets

KNOB, FADER = "midi/1/cc/7", "/1/fader3"


def bound(*pairs: tuple[str, str]) -> Console:
    return Console(learnt=Bindings.of(dict(pairs)))


@pytest.mark.parametrize(
    "source", ["midi/1/cc/0", "midi/16/cc/127", "midi/3/note/60", "midi/9/pitchbend", "/1/fader3", "/x"]
)
def test_midi_controls_and_osc_addresses_can_be_bound(source: str) -> None:
    assert check_source(source) == source


@pytest.mark.parametrize(
    "source",
    ["", "x", "midi/0/cc/1", "midi/17/cc/1", "midi/1/cc/128", "midi/1/cc", "midi/1/pitchbend/3",
     "MIDI/1/cc/7", "/", "/a b", "/a\n", "/a*", "/[1]", "/" + 100 * "x", "/ü", "midi/²/cc/1"],
)  # fmt: skip
def test_what_is_no_control_is_refused_with_what_is_allowed(source: str) -> None:
    with pytest.raises(CommandError, match=r"is no control: use midi/1/cc/7, .* \(channel 1 to 16, number 0"):
        check_source(source)


@pytest.mark.parametrize("source", ["/rtsep", "/rtsep/gain"])
def test_rtseps_own_addresses_need_no_learning(source: str) -> None:
    with pytest.raises(CommandError, match="an address of rtsep's own"):
        check_source(source)


def test_a_control_turns_one_parameter_and_a_parameter_may_have_several() -> None:
    found = Bindings().bound(KNOB, "gain").bound(FADER, "gain").bound(KNOB, "wet")
    assert list(found) == [(FADER, "gain"), (KNOB, "wet")]
    assert (found.get(KNOB), found.get("/other")) == ("wet", None)
    assert list(found.bound(KNOB, "gain").without("gain")) == []
    assert list(found.without(FADER)) == [(KNOB, "wet")]
    assert not found.without("*")
    with pytest.raises(CommandError, match="nothing is bound to 'bypass'; bound are: /1/fader3 turns gain, "):
        found.without("bypass")


def test_words_are_not_bound_to_knobs_nor_anything_to_what_does_not_exist() -> None:
    with pytest.raises(CommandError, match="prompt/1/text takes words"):
        Bindings().bound(KNOB, "prompt/1/text")
    with pytest.raises(CommandError, match="no parameter 'volume'"):
        Bindings().bound(KNOB, "volume")
    assert Bindings().bound(FADER, "prompt/1/text")


def test_the_number_of_bindings_is_limited_and_all_fit_into_one_datagram() -> None:
    found = Bindings()
    for number in range(MOST_BINDINGS):
        found = found.bound("/" + f"{number:099}", "prompt/8/negative")
    with pytest.raises(CommandError, match="100 controls are bound already"):
        found.bound(KNOB, "gain")
    assert len(found.bound("/" + f"{0:099}", "gain").pairs) == MOST_BINDINGS
    assert len(write("/rtsep/learn", *(each for pair in found for each in pair))) <= LARGEST


@pytest.mark.parametrize(
    ("source", "name", "position", "value"),
    [
        (KNOB, "gain", 0.0, -60.0),
        (KNOB, "gain", 1.0, 24.0),
        (KNOB, "wet", 0.25, 0.25),
        ("midi/1/note/60", "wet", 0.5, 0.5),
        (FADER, "gain", 0.0, -60.0),
    ],
)
def test_a_number_follows_over_its_whole_range(source: str, name: str, position: float, value: float) -> None:
    assert Touch().command(source, position, bound((source, name)), 0.0) == SetParameter(name, value)


def test_a_key_let_go_is_no_position_of_a_number() -> None:
    assert Touch().command("midi/1/note/60", 0.0, bound(("midi/1/note/60", "wet")), 0.0) is None


def test_words_are_taken_as_words() -> None:
    console = bound((FADER, "prompt/2/text"))
    assert Touch().command(FADER, " dog  barking", console, 0.0) == SetParameter(
        "prompt/2/text", "dog barking"
    )
    with pytest.raises(CommandError, match="must be words"):
        Touch().command(FADER, 0.5, console, 0.0)
    with pytest.raises(CommandError, match="must be a number"):
        Touch().command(FADER, "loud", bound((FADER, "gain")), 0.0)


@pytest.mark.parametrize("name", ["gain", "bypass"])
@pytest.mark.parametrize("position", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_position_beyond_the_ends_is_refused(name: str, position: float) -> None:
    with pytest.raises(CommandError, match="must be from 0 to 1"):
        Touch().command(FADER, position, bound((FADER, name)), 0.0)


def press(console: Console, *moves: tuple[float, float]) -> list[bool]:
    """What a switch is after each of some positions at some times."""
    touch, heard = Touch(), []
    for position, now_s in moves:
        command = touch.command(KNOB, position, console, now_s)
        if command is not None:
            console = console.turned(command.name, command.value)
        heard.append(console.bypass)
    return heard


def test_a_tap_flips_a_switch_and_letting_go_leaves_it() -> None:
    taps = [(1.0, 0.0), (0.0, 0.1), (1.0, 5.0), (0.0, 5.1)]
    assert press(bound((KNOB, "bypass")), *taps) == [True, True, False, False]


def test_a_button_that_is_held_flips_a_switch_only_so_long() -> None:
    assert press(bound((KNOB, "bypass")), (1.0, 0.0), (0.0, TAP_S)) == [True, False]


def test_a_knob_flips_a_switch_at_its_middle_and_not_at_every_step() -> None:
    turn = [(0.2, 0.0), (0.5, 0.1), (0.9, 0.2), (0.6, 1.0), (0.4, 2.0), (0.3, 2.1)]
    assert press(bound((KNOB, "bypass")), *turn) == [False, True, True, True, False, False]


def test_a_control_that_is_bound_anew_while_it_is_pressed_starts_afresh() -> None:
    touch = Touch()
    assert touch.command(KNOB, 1.0, bound((KNOB, "bypass")), 0.0) == SetParameter("bypass", True)
    assert touch.command(KNOB, 1.0, Console(), 0.1) is None
    assert touch.command(KNOB, 1.0, bound((KNOB, "full_band")), 0.2) == SetParameter("full_band", False)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(RecordingHost(), Console(), Presets(tmp_path / "presets"))
    yield made
    made.close()


def test_the_desk_binds_the_next_control_and_only_that(desk: Desk) -> None:
    for command in (Bind("/too/early"), Learn("gain"), Bind(KNOB), Bind(FADER)):
        desk.submit(command).result(5)
    assert list(desk.console.learnt) == [(KNOB, "gain")]
    assert desk.learning == ""


def test_learning_can_be_called_off_and_what_cannot_be_bound_leaves_it_waiting(desk: Desk) -> None:
    desk.submit(Learn("prompt/1/text")).result(5)
    assert isinstance(desk.submit(Bind(KNOB)).exception(5), CommandError)
    assert desk.learning == "prompt/1/text"
    desk.submit(Learn("")).result(5)
    assert desk.learning == ""
    assert isinstance(desk.submit(Learn("volume")).exception(5), CommandError)
    assert isinstance(desk.submit(Unlearn("gain")).exception(5), CommandError)


def test_what_was_learnt_is_saved_with_the_preset_and_one_without_leaves_it(desk: Desk) -> None:
    for command in (Learn("gain"), Bind(KNOB), SavePreset("mine"), Unlearn("*")):
        desk.submit(command).result(5)
    text = (desk.presets.own / "mine.toml").read_text(encoding="utf-8")
    assert text == '[learn]\n"midi/1/cc/7" = "gain"\n'
    desk.submit(LoadPreset("mine")).result(5)
    assert list(desk.console.learnt) == [(KNOB, "gain")]
    desk.submit(LoadPreset("speech")).result(5)
    assert list(desk.console.learnt) == [(KNOB, "gain")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("learn = 3", "learn is 3, but must be a table"),
        ("[learn]\ngain = 3", "learn: 'gain' is 3, but must be the name of a parameter in quotes"),
        ('[learn]\n"midi/1/cc/7" = "volume"', "learn: no parameter 'volume'; see the table of parameters"),
        ('[learn]\n"midi/1/cc/200" = "gain"', "learn: 'midi/1/cc/200' is no control: use midi/1/cc/7, "),
        (
            '[learn]\n"midi/1/cc/7" = "prompt.1.text"',
            "learn: prompt/1/text takes words: midi/1/cc/7 has none",
        ),
        ('[learn]\n"/rtsep/gain" = "gain"', "learn: /rtsep/gain is an address of rtsep's own"),
    ],
)
def test_a_preset_that_binds_what_cannot_be_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Presets(tmp_path).read("mine")
    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_preset_may_write_parameters_with_dots_as_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[learn]\n"/1/fader3" = "prompt.1.gain"\n', encoding="utf-8")
    assert list(Presets(tmp_path).load("mine").learnt) == [(FADER, "prompt/1/gain")]


def test_an_unknown_address_is_learnt_and_turns_the_parameter(client: Client, setup: Setup) -> None:
    client.send(FADER, 0.5)
    assert client.receive_at("/rtsep/error") == (f"nothing is at {FADER}: see docs/osc.md",)
    client.send("/rtsep/learn", "gain")
    client.send(FADER, 0.5)  # without waiting for the answer
    assert client.receive_at("/rtsep/learn") == (FADER, "gain")
    client.send(FADER, 1.0)
    assert client.receive_at("/rtsep/gain") == (24.0,)
    assert client.ask("/rtsep/learn") == (FADER, "gain")
    assert client.ask("/rtsep/learning") == ("",)
    client.send("/rtsep/unlearn", "gain")
    assert client.receive_at("/rtsep/learn") == ()
    client.send(FADER, 0.5)
    assert client.receive_at("/rtsep/error") == (f"nothing is at {FADER}: see docs/osc.md",)


def test_an_address_that_sends_words_turns_words_and_one_that_does_not_is_not_learnt(client: Client) -> None:
    client.send("/rtsep/learn", "prompt/2/text")
    assert client.receive_at("/rtsep/learning") == ("prompt/2/text",)
    client.send("/clip/name", 0.5)
    assert client.receive_at("/rtsep/error") == ("/clip/name was not learnt: prompt/2/text takes words",)
    client.send("/clip/name", "dog", "barking")
    assert client.receive_at("/rtsep/learn") == ("/clip/name", "prompt/2/text")
    client.send("/clip/name", "rain")
    assert client.receive_at("/rtsep/prompt/2/text") == ("rain",)


def test_a_button_elsewhere_flips_a_switch(client: Client) -> None:
    client.send("/rtsep/learn", "bypass")
    client.send("/push1", 1.0)
    assert client.receive_at("/rtsep/learn") == ("/push1", "bypass")
    for value in (1, 0):
        client.send("/push1", 1.0)
        assert client.receive_at("/rtsep/bypass") == (value,)
        client.send("/push1", 0.0)
    assert client.settle() == []


def test_every_subscriber_sees_what_waits_and_what_was_learnt(client: Client, setup: Setup) -> None:
    with Client(setup.server.address) as other:
        other.send("/rtsep/subscribe")
        other.settle()
        client.send("/rtsep/learn", "wet")
        assert other.receive_at("/rtsep/learning") == ("wet",)
        setup.desk.submit(Bind(KNOB))  # as the MIDI surface does
        assert other.receive_at("/rtsep/learn") == (KNOB, "wet")
        assert other.receive_at("/rtsep/learning") == ("",)


@pytest.mark.parametrize(
    ("address", "value", "said"),
    [
        ("/rtsep/learn", "volume", "no parameter 'volume'"),
        ("/rtsep/unlearn", "gain", "nothing is bound to 'gain'; bound are: none"),
        ("/1/fader3", 2.0, "must be from 0 to 1"),
        ("/1/fader3", "loud", "must be a number"),
    ],
)
def test_what_is_wrong_with_learning_goes_back(
    client: Client, setup: Setup, address: str, value: float | str, said: str
) -> None:
    if address == FADER:
        for command in (Learn("gain"), Bind(FADER)):
            setup.desk.submit(command).result(5)
    client.send(address, value)
    assert said in str(client.receive_at("/rtsep/error"))
