"""Replicas and batches on a Ray of this machine: the same codes and the same files as without it."""

from __future__ import annotations

import contextlib
import socket as sockets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from serving import WAIT_S, client, edited, said
from test_code_files import rtsep, sound
from test_server import get, why_closed
from test_service import CONSOLES, alone, some_codes
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rtsep.models.bundle import Bundle

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, in threads of its own

TOKEN = "open-sesame"


@pytest.fixture(scope="module", autouse=True)
def ray_here() -> Iterator[None]:
    """Two processors as Ray counts them, however many there are."""
    import ray  # its imports warn

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture
def address(tiny: Bundle) -> Iterator[str]:
    """Two replicas of two sessions each."""
    from ray import serve

    from rtsep.serve.ray_replica import application

    with contextlib.closing(sockets.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(application(str(tiny.path), (2, 2), sessions=2, token=TOKEN), name="test")
    yield f"127.0.0.1:{port}"
    serve.shutdown()


def test_sessions_are_spread_over_replicas_and_each_stays_with_its_own(address: str, tiny: Bundle) -> None:
    codes = [some_codes(tiny, 12, seed) for seed in range(4)]
    found = []
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(client(address, tiny, token=TOKEN, prompt__1__text="speech")) for _ in codes
        ]
        for start in (0, 6):  # in turn, so that a session that changed its replica would have forgotten
            for own, stream in zip(clients, codes, strict=True):
                found.append(edited(own, tiny, stream[start : start + 6], start))
        clients[0].send(bytes(70_000))
        assert why_closed(clients[0]).startswith("1009")
        clients[1].send("{")
        assert "the message" in said(clients[1])
    for number, stream in enumerate(codes):
        both = np.concatenate([found[number], found[number + 4]])
        assert np.array_equal(both, alone(tiny, CONSOLES[0], stream))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{address}", proxy=None, open_timeout=WAIT_S)
    assert refused.value.response.status_code == 403
    assert tiny.fingerprint in get(address, "/health")[1]


def test_a_batch_on_ray_gives_the_files_of_a_batch_here(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    sound(folder / "a.wav", 3001, 2, 44_100)
    sound(folder / "deeper" / "b.wav", 2000)
    (folder / "damaged [live].wav").write_bytes(b"RIFF")
    assert rtsep("codes", "encode", folder / "a.wav", folder / "c.rtc", "--bundle", tiny.path) == 0
    words = ("-p", "speech", "--bundle", tiny.path)
    for name, more in (("here", ()), ("there", ("--ray",))):
        assert rtsep("batch", folder, tmp_path / name, *words, *more) == 2
        said_all = capsys.readouterr().err
        assert "1 of 4 files could not be used" in said_all
        assert "damaged [live].wav: cannot read" in said_all
    here, there = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("here", "there")
    )
    assert here == there
    assert sorted(map(str, here)) == ["a.wav", "c.rtc", "deeper/b.wav"]
    assert soundfile.info(tmp_path / "here" / "a.wav").frames == 3001
    (tmp_path / "here" / "a.wav").unlink()
    assert rtsep("batch", folder, tmp_path / "here", *words) == 2
    assert "1 separated, 2 there already" in capsys.readouterr().err
