import builders
import pytest
import torch

from rtsep.control import SetPrompts
from rtsep.models.condition import Condition
from rtsep.models.traced import traced_step


@pytest.mark.parametrize(("channels", "prompts"), [(1, 1), (2, 3)])
@torch.inference_mode()
def test_the_recorded_step_is_the_forward_whatever_it_is_given(channels: int, prompts: int) -> None:
    separator = builders.tiny_separator()
    step = traced_step(separator, channels, prompts)
    state = other = separator.initial_state(1, channels, prompts, 1)
    names = [f"sound {number}" for number in range(prompts)]
    # Long enough to fill and pass every window, with two conditions that keep and remove.
    for hop in range(3 * builders.MEMORY_HOPS):
        films = builders.random_films(separator, prompts, seed=hop // builders.MEMORY_HOPS)
        kept = hop // builders.MEMORY_HOPS % (prompts + 1)
        spoken = SetPrompts(tuple(names[:kept]), tuple(names[kept:]))
        condition = Condition.of(spoken, dict(zip(names, films, strict=True)).__getitem__)
        mixture = torch.from_numpy(builders.noise(separator.hop, channels, seed=hop).T.copy())[None]
        if hop == 5:
            mixture.zero_()
        film = condition.film[None, :, None]
        ours, state = step(mixture, film, state, condition.mix)
        wanted, other = separator(mixture, film, other, condition.mix)
        assert (ours.wave - wanted.wave).abs().max() < 1e-6
        assert (ours.upper_gain - wanted.upper_gain).abs().max() < 1e-5
