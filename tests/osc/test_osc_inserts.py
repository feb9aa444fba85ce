"""Inserts over OSC: knobs are parameters like any other, what they are can be asked, faults are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from osc_builders import Client, Setup, running

from rtsep.control import Console, Insert, InsertSpec, Parameter
from rtsep.osc.address import ACTIONS
from rtsep.osc.query import find, tree
from rtsep.osc.readings import everything, value

KNOBS = (
    Parameter("insert/1/param/gain_db", "Gain: gain", 0.0, -60.0, 24.0, "dB"),
    Parameter("insert/1/param/mode", "Filter: mode", "LP", choices=("LP", "HP")),
    Parameter("insert/1/param/mix", "Filter: mix", 1.0),
)
RACK = Console(inserts=(Insert(1, InsertSpec("/usr/lib/A.vst3", "prompt/2"), KNOBS, (0.0, "LP", 1.0)),))


@pytest.fixture
def with_insert() -> Iterator[tuple[Setup, Client]]:
    with running(RACK) as setup, Client(setup.server.address) as client:
        yield setup, client


def test_the_knobs_of_an_insert_are_set_asked_and_described(with_insert: tuple[Setup, Client]) -> None:
    setup, client = with_insert
    root = "/rtsep/insert/1"
    for address, sent, echoed in (
        (f"{root}/param/gain_db", -6, -6.0),
        (f"{root}/param/gain_db/fader", 0.0, None),
        (f"{root}/param/mode", "HP", "HP"),
        (f"{root}/enable", 0, 0),
    ):
        client.send(address, sent)
        assert client.receive_at(address.removesuffix("/fader"))[0] == (-60.0 if echoed is None else echoed)
    setup.wait_for_desk()
    (insert,) = setup.host.consoles[-1].inserts
    assert (insert.values, insert.enable) == ((-60.0, "HP", 1.0), False)
    for address, values in (
        (root, ("A", "prompt/2", "")),
        (f"{root}/param/gain_db/range", ("f", -60.0, 24.0, "dB", "Gain: gain")),
        (f"{root}/param/mode/range", ("s", 0.0, 1.0, "", "Filter: mode", "LP", "HP")),
    ):
        client.send(address)
        assert client.receive_at(address) == values
    client.send(f"{root}/param/mode", "BP")
    assert "must be one of 'LP', 'HP'" in client.receive_at("/rtsep/error")[0]
    client.send(f"{root}/param/no", 1)
    assert "nothing is at /rtsep/insert/1/param/no" in client.receive_at("/rtsep/error")[0]


def test_oscquery_describes_an_insert_its_knobs_and_everything_else_that_can_be_read(
    with_insert: tuple[Setup, Client],
) -> None:
    setup, _ = with_insert
    fault = "insert 1 (A on strip 2) is bypassed: it crashed"
    setup.status = replace(setup.status, insert_faults=(fault,))
    root = tree(setup.desk, lambda: setup.status)
    for address in everything(setup.status, setup.desk):
        node = find(root, address)
        assert node is not None, address
        assert tuple(node["VALUE"]) == value(address, setup.status, setup.desk)
        assert address in ACTIONS or len(node["TYPE"]) == len(node["VALUE"])
        assert node["DESCRIPTION"]
    insert, mode, gain = (
        find(root, f"/rtsep/insert/1{part}") for part in ("", "/param/mode", "/param/gain_db")
    )
    assert insert is not None and mode is not None and gain is not None
    assert (insert["TYPE"], insert["ACCESS"], insert["VALUE"]) == ("sss", 1, ["A", "prompt/2", fault])
    assert mode["RANGE"] == [{"VALS": ["LP", "HP"]}]
    assert (gain["RANGE"], gain["UNIT"]) == ([{"MIN": -60.0, "MAX": 24.0}], ["dB"])


def test_an_insert_that_fails_is_told_to_every_subscriber_once(with_insert: tuple[Setup, Client]) -> None:
    setup, client = with_insert
    client.send("/rtsep/subscribe")
    assert client.receive_at("/rtsep/insert/1/param/mix/range") == ("f", 0.0, 1.0, "", "Filter: mix")
    fault = "insert 1 (A on strip 2) is bypassed: it crashed"
    setup.status = replace(setup.status, insert_faults=(fault,))
    assert client.receive_at("/rtsep/error") == (fault,)
    client.send("/rtsep/insert/1")
    assert client.receive_at("/rtsep/insert/1") == ("A", "prompt/2", fault)


def test_a_control_is_learnt_for_a_knob(with_insert: tuple[Setup, Client]) -> None:
    setup, client = with_insert
    client.send("/rtsep/learn", "insert/1/param/gain_db")
    assert client.receive_at("/rtsep/learning") == ("insert/1/param/gain_db",)
    client.send("/1/fader3", 0.5)
    assert client.receive_at("/rtsep/learn")
    client.send("/1/fader3", 0.0)
    assert client.receive_at("/rtsep/insert/1/param/gain_db") == (-60.0,)
    assert setup.desk.console["insert/1/param/gain_db"] == -60.0
