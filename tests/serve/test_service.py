"""Many sessions in one batch: each gets what it would get alone, whenever the others come and go."""

from __future__ import annotations

from queue import SimpleQueue

import numpy as np
import pytest
import torch

from rtsep.control import Console
from rtsep.errors import CodeError
from rtsep.models.bundle import Bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.serve.format import CodeFormat, Codes, Frames
from rtsep.serve.service import Service
from rtsep.serve.session import MOST_GAP, code_condition
from rtsep.serve.worker import Open, Put, ServiceWorker

CONSOLES = (
    Console.of(["speech"]),
    Console.of(["rain", "music"], ["speech"]),
    Console.of([], ["dog barking"]),
    Console.of(["music"]).turned("prompt/1/gain", -6.0).turned("residual/mute", False),
)


def condition(bundle: Bundle, console: Console) -> Condition:
    return code_condition(console, FilmCache(bundle), bundle.separator.film_head.out.out_features)


def some_codes(bundle: Bundle, frames: int, seed: int = 0, channels: int = 1) -> Codes:
    format = CodeFormat.of(bundle, channels=channels)
    sizes = bundle.separator.codec.quantizer.sizes(format.codebooks)
    return np.random.default_rng(seed).integers(0, sizes, (frames, channels, len(sizes)))


def alone(bundle: Bundle, console: Console, codes: Codes) -> Codes:
    """A session that has a service for itself."""
    service = Service(bundle)
    session = service.open(0, CodeFormat.of(bundle, channels=codes.shape[1]), condition(bundle, console))
    session.put(Frames(0, codes))
    return np.concatenate([edited.frames.codes for _ in codes for edited in service.tick()])


def test_sessions_that_come_go_and_pause_get_what_each_would_get_alone(tiny: Bundle) -> None:
    service, rng = Service(tiny), np.random.default_rng(0)
    streams = {number: some_codes(tiny, 20, number, 1 + number % 2) for number in range(6)}
    found: dict[int, list[Codes]] = {number: [] for number in streams}
    sent = dict.fromkeys(streams, 0)
    while any(sent[number] < 20 for number in streams):
        for number, codes in streams.items():
            if number not in service.sessions:
                if sent[number] == 0 and rng.random() < 0.2:
                    format = CodeFormat.of(tiny, channels=codes.shape[1])
                    service.open(number, format, condition(tiny, CONSOLES[number % 4]))
                continue
            more = min(int(rng.integers(0, 3)), 20 - sent[number])
            if more:
                start = sent[number]
                service.sessions[number].put(Frames(start, codes[start : start + more]))
                sent[number] += more
            elif sent[number] == 20 and not service.sessions[number].waiting:
                service.close(number)
        for edited in service.tick():
            assert edited.frames.number == len(found[edited.session])
            found[edited.session].append(edited.frames.codes)
    while service.ready:
        for edited in service.tick():
            found[edited.session].append(edited.frames.codes)
    for number, codes in streams.items():
        expected = alone(tiny, CONSOLES[number % 4], codes)
        assert np.array_equal(np.concatenate(found[number]), expected), number
    assert len({np.concatenate(each).tobytes() for each in found.values()}) == 6


def test_the_shipped_graph_gives_a_session_in_a_crowd_the_codes_it_gets_alone(shipped: Bundle) -> None:
    assert shipped.code_graph(CodeFormat.of(shipped).codebooks) is not None
    films = FilmCache(shipped)
    words = [word for word in ("speech", "music", "sound effects") if films.knows(word)]
    consoles = [Console.of(words[:1]), Console.of(words), Console.of([], words[1:2])]
    service = Service(shipped)
    streams = [some_codes(shipped, 12, number) for number in range(7)]
    for number, codes in enumerate(streams):
        session = service.open(number, CodeFormat.of(shipped), condition(shipped, consoles[number % 3]))
        session.put(Frames(0, codes))
    crowd: dict[int, list[Codes]] = {number: [] for number in range(7)}
    while service.ready:
        for edited in service.tick():
            crowd[edited.session].append(edited.frames.codes)
    for number in (0, 4, 5):
        expected = alone(shipped, consoles[number % 3], streams[number])
        assert np.array_equal(np.concatenate(crowd[number]), expected)


def test_the_step_is_the_separators_own_masks_between_look_up_and_quantising(tiny: Bundle) -> None:
    console = CONSOLES[1]
    codes = some_codes(tiny, 20)
    separator, wanted = tiny.separator, condition(tiny, console)
    with torch.inference_mode():
        quantizer = separator.codec.quantizer
        encoding, decoding = quantizer.initial_state(1)
        latent, _ = quantizer.decode(torch.from_numpy(codes).permute(1, 2, 0), decoding)
        features = separator.masker.features(latent[None]).repeat_interleave(3, dim=0)
        masks, _ = separator.masker(features, wanted.film[:, None], separator.masker.initial_state(3))
        mask = wanted.mix(masks[None])[0] + wanted.mix.dry[:, None, None]
        expected, _ = quantizer.encode(mask * latent, encoding, CodeFormat.of(tiny).codebooks)
    found = alone(tiny, console, codes)
    assert (found == expected.permute(2, 0, 1).numpy()).mean() > 0.99  # a frame at a time rounds otherwise


def test_a_listener_follows_the_spectrum_that_the_session_encodes_by(tiny: Bundle) -> None:
    codes, quantizer = some_codes(tiny, 30, channels=2), tiny.separator.codec.quantizer
    service = Service(tiny)
    session = service.open(0, CodeFormat.of(tiny, channels=2), condition(tiny, CONSOLES[0]))
    session.put(Frames(0, codes))
    _, listening = quantizer.initial_state(2)
    for frame in range(30):
        if frame % 10 == 0:  # edited, untouched, edited
            session.turn(condition(tiny, CONSOLES[0].turned("bypass", frame == 10)))
        (edited,) = service.tick()
        with torch.inference_mode():
            _, listening = quantizer.decode(torch.from_numpy(edited.frames.codes).permute(1, 2, 0), listening)
        (batch,) = service._batches.values()
        encoding = batch._state.coding[0]
        assert isinstance(encoding, torch.Tensor)
        assert torch.allclose(encoding[0], listening[0], rtol=1e-4), frame
    assert session.condition.same(condition(tiny, CONSOLES[0]))


def test_a_bypassed_session_gets_its_codes_back_untouched(tiny: Bundle) -> None:
    codes = some_codes(tiny, 10)
    assert np.array_equal(alone(tiny, CONSOLES[0].turned("bypass", True), codes), codes)
    assert not np.array_equal(alone(tiny, CONSOLES[0], codes), codes)


def test_a_gain_moves_the_level_and_nothing_else(tiny: Bundle) -> None:
    codes = some_codes(tiny, 40)
    codes[..., 0] = 40
    remixed = CONSOLES[3]
    found = alone(tiny, remixed, codes)
    quieter = alone(tiny, remixed.turned("gain", -12.0), codes)
    assert (found[..., 0] - quieter[..., 0] == 8).mean() > 0.95  # 1.5 dB a step; rounding may go either way
    assert (found[..., 1:] == quieter[..., 1:]).mean() > 0.95


def test_a_change_of_prompts_is_faded_and_the_old_strip_goes_on(tiny: Bundle) -> None:
    service = Service(tiny)
    session = service.open(0, CodeFormat.of(tiny), condition(tiny, CONSOLES[0]))
    codes = some_codes(tiny, 30)
    session.put(Frames(0, codes))
    found = []
    for frame in range(30):
        if frame == 10:
            session.turn(condition(tiny, CONSOLES[1]))
        found += [edited.frames.codes for edited in service.tick()]
    old, new = alone(tiny, CONSOLES[0], codes), alone(tiny, CONSOLES[1], codes)
    both = np.concatenate(found)
    assert np.array_equal(both[:10], old[:10])
    assert not np.array_equal(both[10:20], old[10:20])
    assert (both[-5:] == new[-5:]).mean() > 0.8


def test_the_same_wish_again_changes_nothing(tiny: Bundle) -> None:
    service = Service(tiny)
    session = service.open(0, CodeFormat.of(tiny), condition(tiny, CONSOLES[1]))
    codes = some_codes(tiny, 12)
    session.put(Frames(0, codes))
    found = []
    for _ in codes:
        session.turn(condition(tiny, CONSOLES[1]))
        found += [edited.frames.codes for edited in service.tick()]
    assert np.array_equal(np.concatenate(found), alone(tiny, CONSOLES[1], codes))


def test_old_frames_are_refused_and_counted(tiny: Bundle) -> None:
    session = Service(tiny).open(0, CodeFormat.of(tiny), condition(tiny, CONSOLES[0]))
    codes = some_codes(tiny, 3)
    session.put(Frames(7, codes))
    for number in (7, 8, 0):
        with pytest.raises(CodeError, match="numbers only rise"):
            session.put(Frames(number, codes))
    assert session.counts.refused == 9
    assert session.counts.missing == 0
    assert session.waiting == 3


def test_after_a_long_gap_a_session_begins_anew_and_after_a_short_one_it_goes_on(tiny: Bundle) -> None:
    codes = some_codes(tiny, 30)
    fresh = alone(tiny, CONSOLES[0], codes[20:])
    for gap, anew in ((1, False), (MOST_GAP, False), (MOST_GAP + 1, True)):
        service = Service(tiny)
        session = service.open(0, CodeFormat.of(tiny), condition(tiny, CONSOLES[0]))
        session.put(Frames(0, codes[:20]))
        session.put(Frames(20 + gap, codes[20:]))
        found = [edited.frames for _ in codes for edited in service.tick()]
        assert [each.number for each in found] == [*range(20), *range(20 + gap, 30 + gap)]
        last = np.concatenate([each.codes for each in found[20:]])
        assert np.array_equal(last, fresh) == anew
        assert (session.counts.missing, session.counts.resyncs) == (gap, int(anew))


def test_a_live_session_that_falls_behind_goes_on_with_the_newest_frame(tiny: Bundle) -> None:
    codes = some_codes(tiny, 30)
    service = Service(tiny)
    session = service.open(0, CodeFormat.of(tiny), condition(tiny, CONSOLES[0]), longest_wait=5)
    for number in range(30):
        session.put(Frames(number, codes[number : number + 1]))
    found = [edited.frames for _ in codes for edited in service.tick()]
    counts = session.counts
    assert counts.received == 30 == counts.late + counts.edited
    assert len(found) == counts.edited <= 6
    assert found[-1].number == 29
    assert counts.resyncs == counts.late // 5
    expected = alone(tiny, CONSOLES[0], codes[found[0].number :])
    assert np.array_equal(np.concatenate([each.codes for each in found]), expected)


def test_frames_that_have_come_are_looked_at_however_short_of_time_and_what_is_late_is_given_up(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtsep.serve.worker.GATHER_S", 0.0)
    worker = ServiceWorker.__new__(ServiceWorker)  # without its thread
    worker.orders, worker._service, worker._deliver = SimpleQueue(), Service(tiny), lambda done: None
    format = CodeFormat.of(tiny)
    for live in range(2):
        worker.orders.put(Open(live, format, condition(tiny, CONSOLES[0]), 10))
    for number in range(300):
        for live in range(2):
            worker.orders.put(Put(live, Frames(number, some_codes(tiny, 1))))
    assert worker._gather()
    assert worker._gather()
    assert worker.orders.empty()
    for session in worker._service.sessions.values():
        assert session.counts.received == 300
        assert session.waiting <= 10
    worker.orders.put(None)
    assert not worker._gather()
