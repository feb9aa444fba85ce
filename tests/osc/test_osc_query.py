"""OSCQuery: the description over HTTP, and the announcement."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from osc_builders import PATIENCE_S, STATUS, Client, Setup

from rtsep.control import OSC_PORT, PARAMETERS
from rtsep.errors import EngineError
from rtsep.osc.address import ACTIONS, PARAMETER_AT, types_of
from rtsep.osc.announce import OSC, OSC_QUERY, Announcement
from rtsep.osc.http import QueryServer
from rtsep.osc.query import host_info
from rtsep.osc.readings import READINGS, terms


@pytest.fixture
def server(setup: Setup) -> Iterator[QueryServer]:
    with QueryServer(setup.server, setup.desk, lambda: setup.status, port=0) as found:
        yield found


def get(server: QueryServer, path: str, host: str | None = None) -> tuple[int, Any]:
    """Ask for a path."""
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE_S)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if body else None


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node with a type."""
    if "TYPE" in node:
        yield node
    for inner in node.get("CONTENTS", {}).values():
        yield from leaves(inner)


def test_the_whole_tree_is_described(server: QueryServer) -> None:
    code, root = get(server, "/")
    assert code == 200
    found = {leaf["FULL_PATH"] for leaf in leaves(root)}
    assert found == {*PARAMETER_AT, *ACTIONS, *READINGS, *terms(STATUS), "/rtsep/prompt"}
    assert all(leaf["DESCRIPTION"] and "ACCESS" in leaf for leaf in leaves(root))


@pytest.mark.parametrize("address", PARAMETER_AT)
def test_a_parameter_is_described_as_the_table_has_it(
    setup: Setup, server: QueryServer, address: str
) -> None:
    parameter = PARAMETER_AT[address]
    code, node = get(server, address)
    assert code == 200
    assert (node["TYPE"], node["ACCESS"], node["DESCRIPTION"]) == (types_of(parameter), 3, parameter.help)
    assert node["VALUE"] == [setup.desk.console[parameter.name]]
    if parameter.kind is float:
        assert node["RANGE"] == [{"MIN": parameter.low, "MAX": parameter.high}]
        assert node.get("UNIT", [""]) == [parameter.unit]


def test_values_are_those_of_now(setup: Setup, server: QueryServer) -> None:
    with Client(setup.server.address) as client:
        client.send("/rtsep/gain", -6.0)
        client.receive_at("/rtsep/gain")
    assert get(server, "/rtsep/gain?VALUE") == (200, {"VALUE": [-6.0]})
    assert get(server, "/rtsep/meter/in?VALUE") == (200, {"VALUE": [-6.0, -18.0, 2]})
    assert get(server, "/rtsep/preset?RANGE") == (200, {"RANGE": [{"VALS": ["birds", "kitchen"]}]})


def test_host_info_says_where_osc_listens(setup: Setup, server: QueryServer) -> None:
    code, info = get(server, "/?HOST_INFO")
    assert code == 200
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == (*setup.server.address, "UDP")
    assert info["EXTENSIONS"]["VALUE"] is True
    # An address that means every one is none that a client could send to.
    assert "OSC_IP" not in host_info(("0.0.0.0", 9000))
    assert host_info(("0.0.0.0", 9000))["OSC_PORT"] == 9000


@pytest.mark.parametrize(
    ("path", "code"), [("/nowhere", 404), ("/rtsep/gain?SIZE", 400), ("/rtsep/prompt/1/text?RANGE", 204)]
)
def test_what_is_not_there_is_told_by_the_code(server: QueryServer, path: str, code: int) -> None:
    assert get(server, path) == (code, None)


def test_a_web_page_elsewhere_cannot_read_it(server: QueryServer) -> None:
    assert get(server, "/", host="evil.example.com:80")[0] == 403
    assert get(server, "/", host=f"127.0.0.1:{server.address[1]}")[0] == 200


def test_a_client_that_says_nothing_does_not_stop_the_others_for_long(
    server: QueryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtsep.osc.http._Handler.timeout", 0.1)
    with socket.create_connection(server.address):
        assert get(server, "/rtsep/gain?VALUE")[0] == 200


def test_a_port_in_use_is_told_in_one_line(setup: Setup, server: QueryServer) -> None:
    with pytest.raises(EngineError, match="OSCQuery cannot listen on"):
        QueryServer(setup.server, setup.desk, lambda: setup.status, port=server.address[1])


def test_others_find_both_servers_by_themselves(setup: Setup, server: QueryServer) -> None:
    import zeroconf

    seen: dict[str, int | None] = {}
    both = threading.Event()

    def on_change(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if not name.startswith("rtsep-test") or both.is_set():  # others may come and go meanwhile
            return
        info = zeroconf.get_service_info(service_type, name, 3000)
        if info is not None:
            seen[service_type] = info.port
        if len(seen) == 2:
            both.set()

    browser = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    try:
        with Announcement(setup.server.address, server.address, name="rtsep-test"):
            looking = zeroconf.ServiceBrowser(browser, [OSC, OSC_QUERY], handlers=[on_change])
            assert both.wait(10 * PATIENCE_S)
            looking.cancel()
    finally:
        browser.close()
    assert seen == {OSC: setup.server.address[1], OSC_QUERY: server.address[1]}


def test_several_that_start_at_once_are_all_found_by_names_of_their_own() -> None:
    import zeroconf

    ports, all_three = (OSC_PORT, 18_771, 18_772), threading.Event()
    seen: dict[str, int] = {}

    def on_change(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        found = zeroconf.get_service_info(service_type, name, 3000)
        if name.startswith("rtsep-several") and found is not None and found.port is not None:
            seen[name.partition(".")[0]] = found.port
            if len(seen) == len(ports):
                all_three.set()

    def announced(port: int) -> Announcement:
        return Announcement(("127.0.0.1", port), ("127.0.0.1", port + 1000), name="rtsep-several")

    browser = zeroconf.Zeroconf(interfaces=["127.0.0.1"])
    with ExitStack() as stack, ThreadPoolExecutor(len(ports)) as at_once:
        stack.callback(browser.close)
        for each in at_once.map(announced, ports):
            stack.enter_context(each)
        looking = zeroconf.ServiceBrowser(browser, OSC, handlers=[on_change])
        assert all_three.wait(10 * PATIENCE_S)
        looking.cancel()
    names = ("rtsep-several", "rtsep-several-18771", "rtsep-several-18772")
    assert seen == dict(zip(names, ports, strict=True))


def test_every_parameter_has_a_type() -> None:
    assert {types_of(parameter) for parameter in PARAMETERS.values()} == {"f", "i", "s"}
