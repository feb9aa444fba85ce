"""Inserts in the pipeline and the engine: where they stand, what they leave alone, how late they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import (
    LIVE_CODEC,
    MASKER,
    Array,
    linear_separator,
    noise,
    random_films,
    random_sizes,
    transparent_separator,
)

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console, InsertSpec
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack
from rtsep.engine import Engine
from rtsep.lanes import Lanes
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline
from rtsep.worker import Change, Worker

RATE = 48_000
MAXIM = "/usr/lib/vst3/ZaMaximX2.vst3"
"""A limiter of Debian's zam-plugins that looks 10 ms ahead and says so."""
LINEAR, TRANSPARENT = linear_separator(LIVE_CODEC, MASKER), transparent_separator(LIVE_CODEC, MASKER)
FILMS = FilmTable(zip("abcdefgh", random_films(LINEAR, 8), strict=True))
SUM = Console.of("ab").turned("residual/mute", False)
"""Two sounds and everything else: together the input."""


def rack_of(*texts: str, separator: Separator = LINEAR, channels: int = 1) -> Rack:
    form = Format.at(separator, RATE, channels)
    return Rack([InsertSpec.parse(text) for text in texts], form, live=False)


def worker_of(rack: Rack, console: Console, separator: Separator = LINEAR, stems: int = 0) -> Worker:
    console = replace(console, inserts=rack.inserts)
    lanes = Lanes(rack, stems, console, RATE)
    return Worker(Pipeline(separator, condition(console, rack, stems), RATE, 1, lanes=lanes), console)


def condition(console: Console, rack: Rack, stems: int = 0) -> Condition:
    return Condition.of(console, FILMS, LINEAR.film_head.out.out_features, stems, rack.strips)


def played(worker: Worker, x: Array) -> Array:
    """All that comes out, checking that as much does as was promised."""
    outputs, received = [], 0
    for size in random_sizes(len(x), 1500):
        outputs.append(worker.process(x[received : received + size]))
        received += size
        assert sum(map(len, outputs)) == worker.pipeline.timing.emitted(received)
    return np.concatenate(outputs)


def peak_db(x: Array) -> float:
    return float(20 * np.log10(np.abs(x).max() + 1e-30))


CHAIN = (f"prompt/1:{MAXIM}", "prompt/1:Compressor", "BrickwallLimiter:ceiling_db=0")
"""A real VST3 and two of pedalboard's own, all at unity."""


@pytest.mark.usefixtures("zam_plugins")
@pytest.mark.usefixtures("zam_plugins")
def test_a_chain_at_unity_changes_nothing_wherever_it_stands() -> None:
    x = noise(RATE // 4, level=0.05)
    with rack_of() as none, rack_of(*CHAIN) as some, rack_of(CHAIN[0], "prompt/3:Gain:gain_db=0") as other:
        plain = played(worker_of(none, SUM), x)
        chained, unused = (played(worker_of(rack, SUM), x) for rack in (some, other))
        assert (none.latency_samples, some.latency_samples, other.latency_samples) == (0, 720, 480)
    assert plain.std() > 0.01
    for y in (chained, unused):  # the beginning, where the limiters look ahead into silence, included
        assert len(y) == len(plain) - (720 if y is chained else 480)
        assert peak_db(y - plain[: len(y)]) <= -120


def test_strips_residual_and_untouched_sound_stay_together_behind_a_late_effect() -> None:
    x = noise(RATE // 4, level=0.05)
    with rack_of(f"prompt/2:{MAXIM}", "prompt/1:BrickwallLimiter:ceiling_db=0") as rack:
        y = played(worker_of(rack, SUM), x)
        assert peak_db(y - x[: len(y)]) <= -90  # the linear codec's own error, as without effects
        dry = played(worker_of(rack, SUM.turned("wet", 0.0)), x)
    assert np.array_equal(dry[1000:], x[1000 : len(dry)])


def test_an_effect_hears_its_strip_alone_and_before_its_fader() -> None:
    x = noise(RATE // 4, level=0.05)
    console = SUM.turned("prompt/2/gain", -20.0)
    with (
        rack_of() as none,
        rack_of("prompt/1:Gain:gain_db=-60", "prompt/2:Clipping:threshold_db=-60") as rack,
    ):
        b_alone = played(worker_of(none, SUM, stems=2), x)[:, 1:2]
        rest = played(worker_of(none, SUM, stems=2), x)[:, 2:]
        y = played(worker_of(rack, console), x)
    expected = 0.1 * np.clip(b_alone, -0.001, 0.001) + rest
    assert np.abs(b_alone).max() > 0.01
    assert np.abs(y - expected[: len(y)]).max() <= 1e-4


def test_a_fader_behind_an_effect_glides() -> None:
    x = np.full((RATE // 4, 1), 0.1, np.float32)
    console = Console.of("a")
    with rack_of("prompt/1:Gain:gain_db=0") as rack:
        made = worker_of(rack, console, TRANSPARENT)
        before = made.process(x)
        for mute in (True, False):
            turned = made.status.console.turned("prompt/1/mute", mute)
            made.orders.put(Change(turned, condition(turned, rack)))
            after = made.process(x)
            assert np.abs(np.diff(np.concatenate([before[-10:], after]), axis=0)).max() <= 1e-4
            assert after[-1, 0] == pytest.approx(0.0 if mute else 0.1, abs=1e-4)
            before = after


def test_stems_go_through_the_effects_on_their_strips() -> None:
    x = noise(RATE // 4, level=0.05)
    with rack_of() as none, rack_of("prompt/2:Gain:gain_db=-6.0206") as rack:
        plain = played(worker_of(none, SUM, stems=2), x)
        y = played(worker_of(rack, SUM, stems=2), x)
    assert y.shape == plain.shape == (len(y), 3)
    assert np.abs(y - plain * [1.0, 0.5, 1.0]).max() <= 1e-5


def test_knobs_of_inserts_are_turned_like_any_parameter() -> None:
    x = noise(RATE // 4, level=0.05)
    with rack_of("Gain:gain_db=0") as rack:
        made = worker_of(rack, SUM)
        console = made.status.console
        assert dict(console.items())["insert/1/param/gain_db"] == 0
        quiet = console.turned("insert/1/param/gain_db", -20)
        assert console.changes(quiet) == {"insert/1/param/gain_db": -20.0}
        loud = made.process(x)
        made.orders.put(Change(quiet, condition(quiet, rack)))
        made.process(x)
        soft = made.process(x)
    assert soft.std() == pytest.approx(0.1 * loud.std(), rel=0.1)


def test_what_is_wrong_with_an_insert_is_in_the_status(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("class Effect:\n  def __init__(self, *_): pass\n  def process(self, block): self.no\n")
    with rack_of(f"prompt/1:{path}") as rack:
        made = worker_of(rack, SUM)
        y = played(made, noise(RATE // 4))
    assert len(y)
    (fault,) = made.status.insert_faults
    assert fault.startswith("insert 1 (bad on strip 1) is bypassed: it raised AttributeError: ")


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.usefixtures("zam_plugins")
@pytest.mark.parametrize(
    "texts",
    [
        ("in:BrickwallLimiter:lookahead_ms=3",),
        ("BrickwallLimiter:lookahead_ms=3", "in:BrickwallLimiter:lookahead_ms=1"),
        (f"prompt/1:{MAXIM}", "prompt/1:Compressor", "out:BrickwallLimiter:lookahead_ms=3"),
    ],
    ids=["before", "before and after", "strip and after"],
)
def test_the_declared_latency_is_the_measured_one(rate: int, texts: tuple[str, ...]) -> None:
    at = 1234
    x = np.zeros((at + 1, 1), np.float32)
    x[at] = 0.2
    device = FakeDevice(x, rate, 256)
    with Rack([*map(InsertSpec.parse, texts)], Format.at(TRANSPARENT, rate, 1), live=False) as rack:
        engine = Engine(TRANSPARENT, FILMS, device, Console.of("a"), rack=rack)
        assert engine.latency.inserts == rack.latency_samples > 0
        assert "inserts" in engine.latency.terms_ms()
        latency = engine.latency.engine
        device.start(latency)
        while device.exhausted is False or len(device.played) < at + latency + 500:
            device.tick()
            engine.step()
    y = device.played[:, 0]
    assert int(np.abs(y).argmax()) == at + latency
    y[at + latency] -= 0.2
    assert np.abs(y).max() <= 1e-4
    assert device.dropouts == 0


def test_one_decoding_more_for_a_strip_with_an_insert_and_none_for_others() -> None:
    decoded: list[int] = []
    hook = LINEAR.codec.decoder.register_forward_pre_hook(lambda _, given: decoded.append(len(given[0])))
    for texts, outputs in (((), 1), (("Gain",), 1), (("in:Gain", "prompt/1:Gain"), 2)):
        with rack_of(*texts) as rack:
            worker_of(rack, SUM).process(noise(RATE // 4))
        assert set(decoded) == {outputs}
        decoded.clear()
    hook.remove()
