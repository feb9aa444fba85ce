"""Subscribing over OSC: who is told, of what, how often, and who makes way for others."""

from __future__ import annotations

import time
from dataclasses import replace

from osc_builders import STATUS, Client, Setup

from rtsep.control import LoadPreset, SetParameter
from rtsep.osc.address import PARAMETER_AT
from rtsep.osc.readings import MOVING, READINGS, terms
from rtsep.osc.server import OscServer
from rtsep.osc.subscribers import MOST


def test_a_subscriber_gets_every_value_at_once(client: Client) -> None:
    client.send("/rtsep/subscribe")
    expected = {*PARAMETER_AT, *READINGS, *terms(STATUS)} - {*MOVING}
    assert {message.address for message in client.settle()} == expected


def test_a_subscriber_sees_what_others_do(client: Client, setup: Setup) -> None:
    with Client(setup.server.address) as other:
        other.send("/rtsep/subscribe", client.port)
        client.settle()
        other.send("/rtsep/gain", -6.0)
        assert client.receive_at("/rtsep/gain") == (-6.0,)
        assert other.receive_at("/rtsep/gain") == (-6.0,)
        setup.desk.submit(SetParameter("wet", 0.5))
        assert client.receive_at("/rtsep/wet") == (0.5,)
        setup.desk.submit(LoadPreset("kitchen"))
        assert client.receive_at("/rtsep/prompt/1/text") == ("dishes",)
        assert client.receive_at("/rtsep/preset") == ("kitchen",)


def test_a_subscriber_that_sets_something_is_told_once(client: Client) -> None:
    client.send("/rtsep/subscribe")
    client.settle()
    client.send("/rtsep/gain", -6.0)
    assert client.receive_at("/rtsep/gain") == (-6.0,)
    assert client.settle() == []


def test_who_unsubscribes_hears_no_more(client: Client, setup: Setup) -> None:
    client.send("/rtsep/subscribe")
    client.send("/rtsep/unsubscribe")
    client.settle()
    setup.desk.submit(SetParameter("wet", 0.5)).result()
    assert client.settle() == []
    assert setup.server.subscribers == 0


def test_subscribers_are_told_of_dropouts_and_recording_without_asking(client: Client, setup: Setup) -> None:
    client.send("/rtsep/subscribe")
    client.settle()
    setup.status = replace(setup.status, dropouts=4, recording="/tmp/take")
    assert client.receive_at("/rtsep/record") == (1,)
    assert client.receive_at("/rtsep/dropouts") == (4,)


def test_meters_come_only_if_asked_for_and_as_often_as_asked_for(client: Client) -> None:
    client.send("/rtsep/subscribe/meters", 30)
    for _ in range(3):
        assert client.receive_at("/rtsep/meter/out") == (-3.0, -12.0, 0)
    began = time.monotonic()
    for _ in range(6):
        client.receive_at("/rtsep/meter/out")
    assert time.monotonic() - began > 0.15  # 6 periods are 0.2 s
    client.send("/rtsep/subscribe/meters", 0)
    while (message := client.receive(0.1)) is not None:
        assert message.address in MOVING
        assert time.monotonic() - began < 5


def test_spectra_come_to_those_who_ask_for_them(setup: Setup) -> None:
    spectra = {"in": bytes(range(64)), "out": bytes(64)}
    with (
        OscServer(setup.desk, lambda: setup.status, port=0, spectra=lambda: spectra) as server,
        Client(server.address) as client,
    ):
        client.send("/rtsep/subscribe/spectrum", 30)
        for _ in range(2):
            assert client.receive_at("/rtsep/spectrum/in") == (bytes(range(64)),)
            assert client.receive_at("/rtsep/spectrum/out") == (bytes(64),)


def test_who_asks_for_spectra_where_there_are_none_gets_none_and_no_error(client: Client) -> None:
    client.send("/rtsep/subscribe/spectrum", 30)
    assert "/rtsep/error" not in {message.address for message in client.settle()}
    assert client.receive(0.1) is None


def test_subscriptions_are_bounded_and_the_oldest_makes_way_politely(client: Client, setup: Setup) -> None:
    client.send("/rtsep/subscribe")
    client.settle()
    with Client(setup.server.address) as other:
        for port in range(20_000, 20_000 + MOST):
            other.send("/rtsep/subscribe", port)
        other.settle()
    assert setup.server.subscribers == MOST
    assert "others have subscribed" in str(client.receive_at("/rtsep/unsubscribe"))


def test_the_server_never_subscribes_to_itself(client: Client, setup: Setup) -> None:
    client.send("/rtsep/subscribe", setup.server.address[1])
    assert "rtsep's own" in str(client.receive_at("/rtsep/error"))
    assert setup.server.subscribers == 0
