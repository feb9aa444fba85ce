"""The conformance test: what ships keeps every promise, and each promise that is broken is found."""

from __future__ import annotations

import sys
from collections.abc import Collection

import pytest
import torch
from torch import Tensor

from rtsep.conformance.__main__ import main, separators_of
from rtsep.conformance.bench import Bench
from rtsep.conformance.checks import CHECKS, Result, check
from rtsep.errors import ConfigError
from rtsep.separators.passthrough import Passthrough
from rtsep.separators.protocol import LiveSeparator, Mix, Separation, SeparatorState
from rtsep.separators.registry import open_separator

CPU = torch.device("cpu")


def broken(separator: LiveSeparator, promises: Collection[str]) -> set[str]:
    return {result.promise for result in check(separator, promises) if not result.kept}


class Late(Passthrough):
    """A hop later than it says."""

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        return torch.zeros(batch, channels, self.hop), (), ()

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        past, _, _ = state
        assert isinstance(past, Tensor)
        sound = torch.cat([past, mixture], dim=-1)
        separation, _ = super().step(sound[..., : mixture.shape[-1]], condition, ((), (), ()), mix)
        return separation, (sound[..., mixture.shape[-1] :], (), ())


class Remembering(Passthrough):
    """Keeps in itself what belongs into the state, and everything at that."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self.heard: list[Tensor] = []

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        self.heard.append(mixture.clone())
        louder = 1 + 0.01 * (len(self.heard) % 2)
        return super().step(louder * mixture, condition, state, mix)


class Swelling(Passthrough):
    """A state that grows with every hop."""

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        return torch.zeros(1), (), ()

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        found, _ = super().step(mixture, condition, state, mix)
        kept, _, _ = state
        assert isinstance(kept, Tensor)
        return found, (torch.cat([kept, mixture[0, 0]]), (), ())


class Foreseeing(Passthrough):
    """Turned by the loudest sample of the chunk, which a stream hop by hop cannot know."""

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        return super().step(mixture / (1 + mixture.abs().max()), condition, state, mix)


class Crooked(Passthrough):
    """One output, whatever is asked for."""

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        found, state = super().step(mixture, condition, state, mix)
        return Separation(found.wave[:, :1], found.upper_gain), state


class Breaking(Passthrough):
    """Divides by the level."""

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        level = mixture.unflatten(-1, (-1, self.hop)).square().mean(dim=-1)
        return super().step(mixture / level.repeat_interleave(self.hop, dim=-1), condition, state, mix)


class Mute(Passthrough):
    """Cannot be asked anything."""

    prompts = ("a", "b")

    def condition(self, prompt: str) -> Tensor:
        raise ZeroDivisionError("no such thing")


class Slow(Passthrough):
    """A hop of 20 microseconds takes longer than that."""

    hop = 1


@pytest.mark.parametrize("name", ["passthrough", "spectral-gate", "default"])
def test_every_separator_that_ships_keeps_every_promise(name: str) -> None:
    results = list(check(open_separator(name, CPU)))
    assert [result.promise for result in results] == list(CHECKS)
    assert not [result for result in results if not result.kept]


@pytest.mark.parametrize(
    ("kind", "promises"),
    [
        (Late, {"the declared lookahead is true"}),
        (Remembering, {"memory does not grow", "keeps nothing but the state"}),
        (Swelling, {"the state is bounded"}),
        (Foreseeing, {"a stream in chunks is the whole", "hears nothing before it sounds"}),
        (Crooked, {"gives what it should"}),
        (Breaking, {"stays finite"}),
    ],
)
def test_a_broken_promise_is_found(kind: type[Passthrough], promises: set[str]) -> None:
    assert not broken(Passthrough(CPU), promises)
    assert broken(kind(CPU), promises) == promises


def test_a_step_that_is_longer_than_its_hop_is_found() -> None:
    with torch.inference_mode():
        kept, found = CHECKS["a step is shorter than its hop"](Bench(Slow(CPU)))
    assert not kept
    assert "ms a hop of 0.0208 ms" in found


def test_what_raises_is_a_promise_not_kept_and_the_others_are_looked_at() -> None:
    results = {result.promise: result for result in check(Mute(CPU))}
    assert results["understands its prompts"] == Result(
        "understands its prompts", False, "ZeroDivisionError: no such thing"
    )
    assert results["declares rate, hop, lookahead"].kept
    assert len(results) == len(CHECKS)


def test_a_package_means_all_of_its_separators() -> None:
    assert {"default", "passthrough", "spectral-gate"} <= set(separators_of("rtsep"))
    assert separators_of("spectral-gate") == ["spectral-gate"]
    with pytest.raises(ConfigError, match="no package 'bees' with entry points"):
        separators_of("bees")


def test_the_command_prints_a_table_and_says_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(name: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["conformance", name])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    code, table, _ = ended("passthrough")
    assert not code
    assert all(promise in table for promise in ("lookahead is true", "a step is shorter"))
    code, _, said = ended("bees")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("rtsep: no package 'bees'")
