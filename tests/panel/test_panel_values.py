"""Edits, echoes, and the wire: what the panel does without a window."""

from __future__ import annotations

import math

import pytest

from gui.protocol import BANDS, band_edges, band_of, decode, encode
from gui.values import LEARN_S, SETTLE_S, Values
from rtsep.audio.spectrum import HIGHEST_HZ, LOWEST_HZ


@pytest.mark.parametrize("value", [0.5, -12, True, False, "dog barking", "grüße", bytes(range(BANDS))])
def test_a_message_survives_the_wire(value: float | bool | str | bytes) -> None:
    assert list(decode(encode("prompt/1/text", value))) == [("prompt/1/text", [value])]


@pytest.mark.parametrize("datagram", [b"", b"x", b"#bundle\0abc", b"/rtsep/\xff\xfe\0\0,s\0\0"])
def test_what_is_not_osc_is_nothing(datagram: bytes) -> None:
    assert list(decode(datagram)) == []


def test_addresses_of_others_are_nothing() -> None:
    assert list(decode(encode("gain", 1.0).replace(b"/rtsep", b"/other"))) == []


def test_the_bands_rise_evenly_on_the_mel_scale() -> None:
    edges = band_edges()
    assert len(edges) == BANDS + 1
    assert edges == sorted(edges)
    assert math.isclose(edges[0], LOWEST_HZ)
    assert math.isclose(edges[-1], HIGHEST_HZ)
    assert [round(band_of(edge)) for edge in edges] == list(range(BANDS + 1))


def test_echoes_of_earlier_edits_do_not_pull_back_a_later_one() -> None:
    values = Values()
    values.ask("gain", -1.0, 0.0)
    values.ask("gain", -2.0, 0.1)
    assert not values.echo("gain", -1.0)
    assert values.echo("gain", -2.0)
    assert not values.waits("gain")


def test_an_echo_rounded_to_32_bits_confirms() -> None:
    values = Values()
    values.ask("wet", 0.1, 0.0)
    ((_, (rounded,)),) = decode(encode("wet", 0.1))
    assert rounded != 0.1
    assert values.echo("wet", rounded)


def test_what_the_engine_holds_already_is_not_asked_again() -> None:
    values = Values()
    values.echo("gain", -3.0)
    assert not values.ask("gain", -3.0, 0.0)
    assert values.ask("gain", -4.0, 0.0)
    assert values.ask("gain", -3.0, 0.1), "the engine is on its way to -4 and must be told"


def test_an_edit_without_an_echo_is_given_up_and_words_get_longer() -> None:
    values = Values()
    values.ask("gain", -4.0, 0.0)
    values.ask("prompt/1/text", "rain", 0.0)
    assert values.overdue(SETTLE_S / 2) == []
    assert values.overdue(SETTLE_S * 1.1) == ["gain"]
    assert values.overdue(LEARN_S * 1.1) == ["prompt/1/text"]
    assert values.echo("gain", 0.0)


def test_what_is_lost_comes_back_in_order_with_the_preset_between_what_was_set_before_and_after() -> None:
    values = Values()
    values.ask("gain", -4.0, 0.0)
    values.ask_preset("speech", 0.1)
    values.ask("wet", 0.5, 0.2)
    assert values.overdue(0.2 + SETTLE_S * 1.1) == ["wet"]
    assert list(values.lost()) == ["gain", "preset", "wet"]
    assert not values.lost()


def test_a_preset_that_is_loaded_or_refused_is_not_lost() -> None:
    values = Values()
    values.ask_preset("speech", 0.0)
    values.echo_preset("birds")
    values.echo_preset("speech")
    assert not values.lost()
    values.ask_preset("nowhere", 0.0)
    assert values.give_up() == []
    assert not values.lost()


def test_words_asked_for_before_a_preset_do_not_hide_its_own() -> None:
    values = Values()
    values.ask("prompt/1/text", "rain", 0.0)
    values.ask_preset("speech", 0.1)
    assert values.echo("prompt/1/text", "speech")
