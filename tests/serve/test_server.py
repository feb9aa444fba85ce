"""The server: identical codes, and clients that misbehave are refused with a reason while others go on."""

from __future__ import annotations

import http.client
import json
import socket as sockets
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import WAIT_S, client, edited, said, served
from test_service import CONSOLES, alone, some_codes
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import rtsep.serve.service
from rtsep.models.bundle import Bundle
from rtsep.serve.format import CodeFormat, Frames, pack
from rtsep.serve.messages import Hello, Turn
from rtsep.serve.server import Server

QUICK = {"hello_s": 0.3, "faults": 5, "sessions": 6, "message_bytes": 4096}


@pytest.fixture(scope="module")
def house(tiny: Bundle) -> Iterator[tuple[str, Server]]:
    with served(tiny, **QUICK) as found:
        yield found


@pytest.fixture
def address(house: tuple[str, Server]) -> str:
    return house[0]


def get(address: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_S)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def why_closed(socket: object) -> str:
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=WAIT_S)  # type: ignore[attr-defined]
    assert closed.value.rcvd is not None
    return f"{closed.value.rcvd.code} {closed.value.rcvd.reason}"


def test_codes_that_go_through_a_server_are_those_that_are_made_here(address: str, tiny: Bundle) -> None:
    """Several at once, of different wishes, in messages of different sizes."""
    found: dict[int, object] = {}

    def run(number: int) -> None:
        values = dict(CONSOLES[0].__class__().changes(CONSOLES[number]))
        with client(
            address, tiny, **{name.replace("/", "__"): value for name, value in values.items()}
        ) as own:
            found[number] = edited(own, tiny, some_codes(tiny, 30, number), chunk=1 + number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    for number in range(4):
        assert np.array_equal(found[number], alone(tiny, CONSOLES[number], some_codes(tiny, 30, number)))


def test_the_first_session_finds_everything_ready(tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: object) -> None:
        raise AssertionError("a graph was loaded while a session waited")

    with served(tiny) as (address, _), monkeypatch.context() as patch:
        patch.setattr(rtsep.serve.service, "Batch", too_late)
        with client(address, tiny, prompt__1__text="speech") as own:
            assert len(edited(own, tiny, some_codes(tiny, 5))) == 5


def test_prompts_and_gains_are_turned_while_frames_go_on(address: str, tiny: Bundle) -> None:
    codes = some_codes(tiny, 30)
    with client(address, tiny, prompt__1__text="speech") as own:
        before = edited(own, tiny, codes[:10])
        own.send(Turn(values={"prompt/1/text": "rain", "prompt/1/gain": -6}).model_dump_json())
        assert json.loads(said(own)) == {
            "type": "done",
            "values": {"prompt/1/text": "rain", "prompt/1/gain": -6},
        }
        after = edited(own, tiny, codes[10:], 10)
    unturned = alone(tiny, CONSOLES[0], codes)
    assert np.array_equal(before, unturned[:10])
    assert not np.array_equal(after, unturned[10:])


def test_a_reset_begins_anew(address: str, tiny: Bundle) -> None:
    codes = some_codes(tiny, 20)
    with client(address, tiny, prompt__1__text="speech") as own:
        edited(own, tiny, codes)
        own.send('{"type": "reset"}')
        assert "done" in said(own)
        assert np.array_equal(edited(own, tiny, codes, 20), alone(tiny, CONSOLES[0], codes))


BAD = {
    "not json": "the message",
    '{"type": "fly"}': "fly",
    '{"type": "set"}': "values",
    '{"type": "set", "values": {"nonsense": 1}}': "no parameter",
    '{"type": "set", "values": {"prompt/1/gain": 99}}': "-60 to 24 dB",
    json.dumps({"type": "set", "values": {"prompt/1/text": "x" * 301}}): "at most 300",
    '{"type": "hello"}': "format",
}


@pytest.mark.parametrize("text", list(BAD))
def test_a_message_that_cannot_be_is_refused_with_the_reason_and_the_session_goes_on(
    address: str, tiny: Bundle, text: str
) -> None:
    codes = some_codes(tiny, 6)
    with client(address, tiny, prompt__1__text="speech") as own:
        first = edited(own, tiny, codes[:3])
        own.send(text)
        answer = json.loads(said(own))
        assert answer["type"] == "error"
        assert BAD[text] in answer["reason"]
        second = edited(own, tiny, codes[3:], 3)
    assert np.array_equal(np.concatenate([first, second]), alone(tiny, CONSOLES[0], codes))


def test_bytes_that_are_no_frames_and_frames_sent_again_are_refused_and_counted(
    address: str, tiny: Bundle
) -> None:
    codes, format = some_codes(tiny, 4), CodeFormat.of(tiny)
    with client(address, tiny, prompt__1__text="speech") as own:
        edited(own, tiny, codes, 5)
        own.send(b"abc")
        assert "a head alone" in said(own)
        own.send(pack(format, Frames(6, codes)))
        assert "numbers only rise" in said(own)
        edited(own, tiny, codes, 9 + 7)
        own.send('{"type": "counts"}')
        counts = json.loads(said(own))["counts"]
    assert (counts["received"], counts["edited"], counts["refused"], counts["missing"]) == (8, 8, 4, 7)


def test_whoever_goes_on_with_faults_has_to_go(address: str, tiny: Bundle) -> None:
    with client(address, tiny, prompt__1__text="speech") as own:
        for _ in range(QUICK["faults"] + 1):
            own.send(b"?")
        assert "too many faults" in why_closed(own)


def test_a_flood_of_text_is_held_to_the_rate(tiny: Bundle) -> None:
    with served(tiny, orders_a_second=2.0, faults=10_000) as (address, _), client(address, tiny) as own:
        for _ in range(60):
            own.send('{"type": "counts"}')
        answers = [json.loads(said(own)) for _ in range(60)]
    refused = [answer["reason"] for answer in answers if answer["type"] == "error"]
    assert len(refused) >= 20
    assert set(refused) == {"more than 2 text messages a second"}


def test_a_message_that_is_too_long_ends_its_own_session(address: str, tiny: Bundle) -> None:
    with client(address, tiny) as own, client(address, tiny, prompt__1__text="speech") as other:
        own.send(bytes(QUICK["message_bytes"] + 1))
        assert why_closed(own).startswith("1009")
        assert len(edited(other, tiny, some_codes(tiny, 3))) == 3


def hello(bundle: Bundle, **changes: object) -> str:
    return Hello(format=CodeFormat.of(bundle).model_copy(update=changes)).model_dump_json()


@pytest.mark.parametrize("first", ["frames", "garbage", "other model", "other version", "nothing"])
def test_a_session_that_begins_wrongly_is_closed_with_the_reason(
    address: str, tiny: Bundle, first: str
) -> None:
    messages: dict[str, str | bytes] = {
        "frames": pack(CodeFormat.of(tiny), Frames(0, some_codes(tiny, 1))),
        "garbage": "{",
        "other model": hello(tiny, fingerprint="0" * 16),
        "other version": hello(tiny).replace('"version":1', '"version":2'),
    }
    reasons = {
        "frames": "must be a hello",
        "garbage": "the message",
        "other model": "use the bundle they were made with",
        "other version": "version",
        "nothing": "no hello within 0.3 s",
    }
    with connect(f"ws://{address}", proxy=None) as own:
        if first in messages:
            own.send(messages[first])
        assert reasons[first] in why_closed(own)


def test_a_connection_that_never_finishes_its_handshake_is_dropped(address: str, tiny: Bundle) -> None:
    host, _, port = address.rpartition(":")
    with sockets.create_connection((host, int(port)), timeout=WAIT_S) as half:
        half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with client(address, tiny, prompt__1__text="speech") as other:
            assert len(edited(other, tiny, some_codes(tiny, 3))) == 3
        while half.recv(4096):
            pass


def test_a_client_that_does_not_take_its_codes_is_dropped_and_another_goes_on(tiny: Bundle) -> None:
    codes = some_codes(tiny, 4)
    slow_limits = {"unsent_messages": 50, "outstanding_frames": 10**9, "orders_a_second": 1e9}
    with served(tiny, **slow_limits) as (address, server):
        host, _, port = address.rpartition(":")
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
        raw.connect((host, int(port)))
        stop = threading.Event()
        with (
            connect(
                f"ws://{address}", sock=raw, proxy=None, compression=None, max_queue=1, close_timeout=1
            ) as slow,
            client(address, tiny, prompt__1__text="speech") as other,
        ):
            slow.send(hello(tiny))

            def flood() -> None:
                while not stop.is_set():
                    try:
                        slow.send('{"type": "counts"}')
                    except ConnectionClosed:
                        return

            flooding = threading.Thread(target=flood, daemon=True)
            flooding.start()
            seen = server.house.metrics.refused.labels("slow")._value
            number = 0
            waited = threading.Event()
            for _ in range(600):
                assert len(edited(other, tiny, codes, number)) == 4
                number += 4
                if seen.get():
                    break
                waited.wait(0.02)
            assert seen.get() == 1
            stop.set()
            flooding.join(WAIT_S)


def test_only_those_with_the_token_come_in(tiny: Bundle) -> None:
    with served(tiny, token="open-sesame") as (address, _):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "open-sesame"}):
            with pytest.raises(InvalidStatus) as refused:
                connect(f"ws://{address}", additional_headers=headers, proxy=None)
            assert refused.value.response.status_code == 401
            assert get(address, "/metrics", headers)[0] == 401
        right = {"Authorization": "Bearer open-sesame"}
        assert get(address, "/metrics", right)[0] == 200
        assert get(address, "/health")[0] == 200
        with connect(f"ws://{address}", additional_headers=right, proxy=None) as own:
            own.send(hello(tiny))
            assert "welcome" in said(own)


def test_one_session_too_many_is_told_so_and_a_place_that_is_free_again_can_be_had(tiny: Bundle) -> None:
    with served(tiny, sessions=1) as (address, _):
        with client(address, tiny), pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}", proxy=None)
        assert refused.value.response.status_code == 503
        for _ in range(1000):
            try:
                with client(address, tiny):
                    return
            except InvalidStatus:
                threading.Event().wait(0.02)
        pytest.fail("the place never became free")


def test_health_and_metrics_tell_what_goes_on(address: str, tiny: Bundle) -> None:
    with client(address, tiny, prompt__1__text="speech") as own:
        edited(own, tiny, some_codes(tiny, 7))
        status, text = get(address, "/health")
        told = json.loads(text)
        assert (status, told["status"], told["fingerprint"]) == (200, "ok", tiny.fingerprint)
        assert told["sessions"] >= 1
    _, metrics = get(address, "/metrics")
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert float(values['rtsep_frames_total{fate="edited"}']) >= 7
    assert float(values["rtsep_step_seconds_count"]) >= 1
    assert get(address, "/elsewhere")[0] == 404


def test_noise_from_one_client_disturbs_no_other(address: str, tiny: Bundle) -> None:
    codes, rng = some_codes(tiny, 60), np.random.default_rng(0)
    with client(address, tiny, prompt__1__text="speech") as good:
        found = []
        for turn in range(20):
            with connect(f"ws://{address}", proxy=None, close_timeout=1) as bad:
                try:
                    if turn % 2:
                        bad.send(hello(tiny))
                    for _ in range(10):
                        noise = rng.bytes(int(rng.integers(0, 300)))
                        bad.send(noise if rng.random() < 0.5 else noise.decode("latin-1"))
                except ConnectionClosed:
                    pass
            found.append(edited(good, tiny, codes[3 * turn : 3 * turn + 3], 3 * turn))
    assert np.array_equal(np.concatenate(found), alone(tiny, CONSOLES[0], codes))


def test_strangers_are_not_let_in_by_accident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rtsep.errors import ConfigError, EngineError
    from rtsep.serve.run import run_server

    monkeypatch.delenv("RTSEP_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="--without-token"):
        run_server("default", "0.0.0.0", 0, sessions=1, threads=1, tls=None, open_to_all=False)
    with pytest.raises(ConfigError, match="both --certificate and --key"):
        run_server("default", "127.0.0.1", 0, sessions=1, threads=1, tls=(tmp_path, None), open_to_all=False)
    with pytest.raises(EngineError, match="certificate"):
        run_server(
            "default", "127.0.0.1", 0, sessions=1, threads=1, tls=(tmp_path, tmp_path), open_to_all=False
        )


def test_a_live_client_that_floods_keeps_nobody_waiting_and_nothing_piles_up(tiny: Bundle) -> None:
    codes, many = some_codes(tiny, 40), some_codes(tiny, 512)
    format, stop, most = CodeFormat.of(tiny), threading.Event(), 0
    with (
        served(tiny) as (address, server),
        client(address, tiny, live=True) as bad,
        client(address, tiny, prompt__1__text="speech") as good,
    ):

        def flood() -> None:
            number = 0
            while not stop.is_set():
                bad.send(pack(format, Frames(number, many)))
                number += len(many)

        def swallow() -> None:
            try:
                for _ in bad:
                    pass
            except ConnectionClosed:
                pass

        threads = [threading.Thread(target=each, daemon=True) for each in (flood, swallow)]
        for thread in threads:
            thread.start()
        for number in range(len(codes)):
            assert len(edited(good, tiny, codes[number : number + 1], number)) == 1
            most = max(most, server.house.worker.orders.qsize())
        stop.set()
        threads[0].join(WAIT_S)
    assert most <= 10
