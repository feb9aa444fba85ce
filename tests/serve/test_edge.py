"""The edge: what is lost or late is concealed and counted, nothing stalls or drifts; lines come back."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping
from pathlib import Path

import builders
import numpy as np
import pytest
import soundfile
from safetensors.torch import save_file
from serving import WAIT_S, served
from test_code_files import Fine, rtsep, sound
from torch import Tensor
from websockets.sync.server import ServerConnection, serve

from rtsep.config import RunSettings
from rtsep.control import Console, Value
from rtsep.errors import ConfigError, EngineError
from rtsep.models.bundle import FILMS, Bundle, load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import Pipeline
from rtsep.serve.dial import open_edge
from rtsep.serve.edge import Edge
from rtsep.serve.format import CodeFormat, Frames
from rtsep.serve.link import Link, Target
from rtsep.serve.messages import turned
from rtsep.serve.service import Service
from rtsep.serve.session import code_condition


class Weather:
    """A line to a service here, whose frames are lost or late as told, in steps of its own clock.

    Args:
        bundle: the server's.
        loss: share of the frames that never arrive.
        jitter: most steps that an answer takes.
    """

    def __init__(self, bundle: Bundle, loss: float = 0.0, jitter: int = 0) -> None:
        self.service, self.console = Service(bundle), Console()
        self._bundle, self._loss, self._jitter = bundle, loss, jitter
        self._random = random.Random(0)
        self._way: list[tuple[int, Frames]] = []
        self.now = self.lost = self.resets = 0

    def dial(self, format: CodeFormat) -> Weather:
        self.service.open(0, format, self._wish())
        return self

    def _wish(self) -> Condition:
        parameters = self._bundle.separator.film_head.out.out_features
        return code_condition(self.console, FilmCache(self._bundle), parameters, whole=False)

    def send(self, frames: Frames) -> None:
        for offset in range(len(frames.codes)):
            self.now += 1
            if self._random.random() < self._loss:
                self.lost += 1
                continue
            self.service.sessions[0].put(Frames(frames.number + offset, frames.codes[offset : offset + 1]))
            for edited in self.service.tick():
                self._way.append((self.now + self._random.randint(0, self._jitter), edited.frames))

    def received(self, wait_s: float = 0.0) -> list[Frames]:
        here = [frames for at, frames in self._way if at <= self.now]
        self._way = [(at, frames) for at, frames in self._way if at > self.now]
        return here

    def turn(self, values: Mapping[str, Value]) -> None:
        self.console = turned(self.console, dict(values))
        self.service.sessions[0].turn(self._wish())

    def reset(self) -> None:
        self.resets += 1
        self.service.reset(0)

    def close(self) -> None:
        self.service.close(0)


def condition(edge: Edge, console: Console) -> Condition:
    return Condition.of(console, edge.condition, 1)


def heard(edge: Edge, console: Console, x: builders.Array, hop: int) -> builders.Array:
    """Sample-aligned output, hop by hop, the pipeline at the model's rate."""
    pipeline = Pipeline(edge, condition(edge, console), edge.sample_rate, x.shape[1])
    pipeline.console = console
    pipeline.warm_up()
    blocks = [pipeline.push(block) for block in np.split(x, range(hop, len(x), hop))]
    return np.concatenate(blocks)


CONSOLE = Console.of(["speech", "rain"]).turned("prompt/2/gain", -6.0)


def edge_of(bundle: Bundle, weather: Weather, delay: int) -> Edge:
    return Edge(bundle, weather.dial, delay, live=True)


def test_five_percent_lost_and_forty_milliseconds_of_jitter_stall_and_shift_nothing(tiny: Bundle) -> None:
    hop, delay = tiny.separator.hop, 5
    x = builders.noise(250 * hop)
    good, bad = Weather(tiny), Weather(tiny, loss=0.05, jitter=4)
    edges = edge_of(tiny, good, delay), edge_of(tiny, bad, delay)
    calm, stormy = heard(edges[0], CONSOLE, x, hop), heard(edges[1], CONSOLE, x, hop)
    assert len(calm) == len(stormy) == len(x) - tiny.separator.lookahead - delay * hop
    assert edges[0].counts.lost == edges[0].counts.late == 0
    counts = edges[1].counts
    assert counts.lost + 5 >= bad.lost >= counts.lost > 0
    assert counts.late == 0  # no answer takes longer than the delay allows
    likeness = [float(np.dot(np.roll(stormy, by, 0)[hop:-hop, 0], calm[hop:-hop, 0])) for by in range(-5, 6)]
    assert int(np.argmax(likeness)) == 5
    frames = stormy[: len(stormy) // hop * hop].reshape(-1, hop)
    assert frames[delay + 2 :].any(axis=1).all()


def test_answers_that_take_longer_than_the_delay_are_lost_first_and_late_then(tiny: Bundle) -> None:
    weather = Weather(tiny, jitter=6)
    edge = edge_of(tiny, weather, 2)
    heard(edge, CONSOLE, builders.noise(100 * tiny.separator.hop), tiny.separator.hop)
    assert edge.counts.lost > 20
    assert 0 <= edge.counts.lost - edge.counts.late <= 6
    assert weather.lost == 0


def test_the_sound_is_the_same_whatever_the_network_may_take(tiny: Bundle) -> None:
    hop, x = tiny.separator.hop, builders.noise(60 * tiny.separator.hop)
    short, long = (heard(edge_of(tiny, Weather(tiny), delay), CONSOLE, x, hop) for delay in (0, 9))
    assert len(short) == len(long) + 9 * hop
    assert np.abs(short[: len(long)] - long).max() < 1e-5


@pytest.mark.parametrize("delay", [0, 17])
def test_the_declared_latency_is_where_the_sound_is(tmp_path: Path, delay: int) -> None:
    bundle = builders.tiny_bundle(tmp_path, builders.transparent_separator())
    rate, hop = 48_000, 2 * bundle.separator.hop
    edge = edge_of(bundle, Weather(bundle), delay)
    bypassed = Console.of([], ["speech"]).turned("bypass", True)
    x = builders.noise(100 * hop)
    pipeline = Pipeline(edge, condition(edge, Console()), rate, 1)
    pipeline.console = bypassed
    y = np.concatenate([pipeline.push(block) for block in np.split(x, 50)])
    assert len(y) == pipeline.timing.emitted(len(x))
    assert np.abs(y - x[: len(y)])[600:].max() < 1e-5  # bypassed, after a moment
    budget = pipeline.timing.budget(prefill=10_000, device=(0, 0))
    assert budget.network == 2 * delay * bundle.separator.hop
    assert budget.algorithmic == hop + 2 * bundle.separator.codec.config.lookahead
    assert budget.engine == 10_000


@pytest.mark.parametrize(
    "console",
    [
        CONSOLE,
        Console.of(["speech"], ["rain"]),
        Console.of([], ["rain"]),
        Console.of(["music", "rain"]).turned("residual/mute", False).turned("residual/gain", -20.0),
        Console.of(["music", "rain"], ["speech"]).turned("prompt/3/solo", True).turned("prompt/3/gain", 6.0),
        Console.of(["music", "rain"]).turned("prompt/1/mute", True),
        Console.of(["music"]).turned("prompt/1/enable", False),
    ],
    ids=str,
)
def test_the_server_makes_the_mix_that_the_pipeline_asks_for(tiny: Bundle, console: Console) -> None:
    weather = Weather(tiny)
    edge = edge_of(tiny, weather, 0)
    heard(edge, console, builders.noise(10 * tiny.separator.hop), tiny.separator.hop)
    films, parameters = FilmCache(tiny), tiny.separator.film_head.out.out_features
    wanted = Condition.of(console, films, parameters)
    found = weather.service.sessions[0].condition
    if console.used:
        assert [film.tolist() for film in found.film] == [film.tolist() for film in wanted.film]
        for mine, theirs in zip(found.mix[:3], wanted.staged()[0][:3], strict=True):
            assert np.allclose(mine, theirs, atol=1e-4)
    assert not found.mix.dry.any()  # the pipeline adds the input's share


@pytest.mark.parametrize(
    "console",
    [
        Console.of(["speech"]).turned("prompt/1/gain", -6.0),
        Console.of([], ["rain"]),
        Console.of(["speech", "rain"]).turned("residual/mute", False).turned("residual/gain", -20.0),
        Console.of(["speech", "rain"]).turned("residual/mute", False).turned("prompt/1/gain", 6.0),
    ],
    ids=["strip", "removed", "low residual", "residual"],
)
def test_but_for_its_codes_an_edge_plays_what_a_separator_here_plays(
    tmp_path: Path, console: Console
) -> None:
    bundle = builders.tiny_bundle(tmp_path, builders.transparent_separator())
    films = builders.random_films(bundle.separator, 2)
    save_file({"speech": films[0].clone(), "rain": films[1].clone()}, tmp_path / FILMS)
    bundle = load_bundle(str(tmp_path))
    separator, rate, x = bundle.separator, 48_000, builders.noise(20_000)
    edge = edge_of(bundle, Weather(bundle), 2)
    own = Condition.of(console, FilmCache(bundle), separator.condition_size)
    there = Pipeline(edge, condition(edge, console), rate, 1)
    here = Pipeline(separator, own, rate, 1)
    separator.codec.quantizer = Fine()
    found, wanted = (pipeline.push(x) for pipeline in (there, here))
    assert len(found) > 15_000
    assert np.abs(found - wanted[: len(found)])[2000:].max() < 1e-4


def test_words_that_change_are_told_once_they_have_settled(tiny: Bundle) -> None:
    weather = Weather(tiny)
    edge = edge_of(tiny, weather, 1)
    pipeline = Pipeline(edge, condition(edge, Console.of(["speech"])), edge.sample_rate, 1)
    block = builders.noise(10 * edge.hop)
    pipeline.warm_up()
    pipeline.push(block)
    pipeline.set_condition(condition(edge, Console.of(["music"])))
    pipeline.push(block)
    assert str(weather.console) == "music"
    assert weather.resets == 1  # the warming up is forgotten


def test_stems_are_refused(tiny: Bundle) -> None:
    edge = edge_of(tiny, Weather(tiny), 1)
    with pytest.raises(EngineError, match="leave --stems out"):
        edge.initial_state(1, 1, 1, 2)


def test_a_file_through_a_server_is_the_file_through_the_same_service_here(
    tmp_path: Path, tiny: Bundle
) -> None:
    source = sound(tmp_path / "in.wav", 5001, 2)
    words = ("-i", source, "-p", "speech", "--bundle", tiny.path, "--json", tmp_path / "report.json")
    with served(tiny) as (address, _):
        assert rtsep("run", *words, "-o", tmp_path / "out.wav", "--server", f"ws://{address}") == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["network"]["lost"] == report["network"]["late"] == 0
    heard_there, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    x, _ = soundfile.read(source, dtype="float32", always_2d=True)
    assert heard_there.shape == x.shape

    class Here(Weather):
        def received(self, wait_s: float = 0.0) -> list[Frames]:
            self.now += 1
            return super().received(wait_s)

    edge = Edge(tiny, Here(tiny).dial, 0, live=False)
    pipeline = Pipeline(edge, condition(edge, Console.of(["speech"])), rate, 2)
    pipeline.console = Console.of(["speech"])
    here = pipeline.push(np.concatenate([x, np.zeros((4800, 2), np.float32)]))[: len(x)]
    # Other chunks round otherwise, and now and then a code comes out as its neighbour.
    assert np.corrcoef(here[:, 0], heard_there[:, 0])[0, 1] > 0.98
    assert heard_there.std() > 0.001


def test_without_a_server_or_with_the_wrong_address_it_is_one_line(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sound(tmp_path / "in.wav", 500)
    words = (
        "run",
        "-i",
        source,
        "-p",
        "speech",
        "--bundle",
        tiny.path,
        "-o",
        tmp_path / "out.wav",
        "--server",
    )
    with served(tiny, sessions=0) as (address, _):
        assert rtsep(*words, f"ws://{address}") == 2
        assert "503 0 sessions are all this server takes" in capsys.readouterr().err
    assert rtsep(*words, f"ws://{address}") == 2
    assert "no session at" in capsys.readouterr().err
    for wrong in ("http://x", "ws://localhost:99999", "ws://localhost:abc", "ws://[::1"):
        assert rtsep(*words, wrong) == 2
        assert "give ws://HOST:PORT" in capsys.readouterr().err


def test_a_link_comes_back_by_itself_tells_its_wishes_again_and_loses_nothing_of_a_file(tiny: Bundle) -> None:
    from test_service import alone, some_codes

    format, codes = CodeFormat.of(tiny), some_codes(tiny, 40)
    console = Console.of(["rain"])
    with served(tiny) as (address, _):
        port = int(address.rpartition(":")[2])
        link = Link(format, Target(f"ws://{address}", live=False))
        link.turn(Console().changes(console))
        link.send(Frames(0, codes[:20]))
        first: dict[int, Tensor] = {}
        while len(first) < 20:
            first |= {frames.number: frames.codes for frames in link.received(WAIT_S)}
    link.send(Frames(20, codes[20:]))  # nobody is there
    with served(tiny, port=port):
        second: dict[int, Tensor] = {}
        while len(second) < 20:
            second |= {frames.number: frames.codes for frames in link.received(WAIT_S)}
    link.close()
    assert link.reconnects == 1
    assert threading.active_count() < 20
    whole = [*first.values()], [*second.values()]
    expected = alone(tiny, Console.of(["rain"]), codes[:20]), alone(tiny, Console.of(["rain"]), codes[20:])
    for found, wanted in zip(whole, expected, strict=True):
        assert np.array_equal(np.concatenate(found), wanted)


def test_a_separator_without_codes_is_not_for_a_server() -> None:
    with pytest.raises(ConfigError, match="--separator passthrough: a server takes codes"):
        open_edge(RunSettings(server="ws://localhost:1", bundle="passthrough"), live=False)


def test_a_server_that_speaks_otherwise_is_refused(tiny: Bundle) -> None:
    def echo(socket: ServerConnection) -> None:
        for message in socket:
            socket.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with pytest.raises(EngineError, match="no session at"):
            Link(CodeFormat.of(tiny), Target(f"ws://127.0.0.1:{port}", live=True))
        server.shutdown()
        thread.join(WAIT_S)


def test_of_a_live_stream_nothing_is_kept_while_nobody_takes_it(tiny: Bundle) -> None:
    from test_service import some_codes

    format, codes = CodeFormat.of(tiny), some_codes(tiny, 1)
    with served(tiny) as (address, _):
        port = int(address.rpartition(":")[2])
        link = Link(format, Target(f"ws://{address}", live=True))
        link.send(Frames(0, codes))
        assert [frames.number for frames in link.received(WAIT_S)] == [0]
    link.turn({"prompt/1/text": "rain"})
    for number in range(1, 5000):
        link.send(Frames(number, codes))
    with served(tiny, port=port) as (_, server):
        found: list[int] = []
        number = 5000
        while not found:
            link.send(Frames(number, codes))
            number += 1
            found += [frames.number for frames in link.received(0.1)]
        assert min(found) >= 5000
        assert link._out.qsize() < 10
        assert sum(counts.received for counts in server.house.worker.counts.values()) < 1000
    link.close()
