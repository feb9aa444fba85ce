"""What a run starts from: finished weights, brought into a model that may be larger or be told more.

A layer that is added begins with branches that give nothing (as in Goyal et al. 2017, section 5.1; Zhang et
al. 2019), a unit that is added gives nothing, an input that is added counts for nothing: before its first
step the new model is the old one (Chen et al. 2016, Net2Net).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rtsep.errors import ConfigError
from rtsep.models.codec import Codec
from rtsep.models.masker import Masker, MaskerConfig, MaskerLayer
from rtsep.models.separator import Separator
from rtsep.train.checkpoint import BANK

Weights = dict[str, Tensor]

LAYER = "masker.layers."
FEED_IN, FEED_OUT = ".feed.0.", ".feed.2.weight"
HEAD = "film_head.hidden.weight"
OUT = "film_head.out."

RIDGE = 0.3
"""Beside the sum of squares of some thousand embeddings."""


def start_codec(codec: Codec, own: Codec) -> None:
    """Start with a published codec.

    Raises:
        ConfigError: it is of another shape than the recipe's.
    """
    theirs, ours = codec.config.model_dump(), own.config.model_dump()
    if other := [name for name in ours if theirs.get(name) != ours[name]]:
        name = other[0]
        raise ConfigError(
            f"codec_weights are of another codec than the recipe's: {name} is {theirs.get(name)}, "
            f"not {ours[name]}"
        )
    own.load_state_dict(codec.state_dict())


def start_from(start: Separator, separator: Separator) -> None:
    """Start from another run's weights; the phrases of the bank stay the data's own.

    Raises:
        ConfigError: the models are of shapes that do not fit.
    """
    weights = start.state_dict()
    _grow(weights, start, separator)
    told, now = start.film_head.nearness, separator.film_head.nearness
    if now and HEAD in weights:
        weights[HEAD] = _told(weights[HEAD], told / now) if told else nn.functional.pad(weights[HEAD], (0, 1))
    own = separator.state_dict()
    for name in BANK:
        if name not in own:
            weights.pop(name, None)
        elif name not in weights or weights[name].shape != own[name].shape:
            weights[name] = own[name]  # other phrases are no other shape of model
    try:
        separator.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigError(
            f"the weights to start from do not fit the recipe: {str(error).splitlines()[1].strip()}"
        ) from error


def reword(start: Separator, before: Tensor, now: Tensor) -> None:
    """Have a head that learned on one text encoder's embeddings take another's.

    What leads from the new embeddings of some phrases to the old ones, linearly and by ridge regression, goes
    into the head's first layer. A head without a hidden layer, or for embeddings of another size, stays.

    Args:
        start: the separator.
        before: the phrases as it knows them, (N, text).
        now: the same phrases by the other encoder, (N, text).
    """
    hidden = start.film_head.hidden
    if hidden is None or before.shape != now.shape:
        return
    text = now.shape[1]
    back = torch.linalg.solve(now.T @ now + RIDGE * torch.eye(text), now.T @ before)
    back = back / (now @ back).norm(dim=-1).mean()  # blends have unit length
    with torch.no_grad():
        hidden.weight[:, :text] = hidden.weight[:, :text] @ back.T


def _told(weight: Tensor, share: float) -> Tensor:
    """A head's first layer, whose last input, how new a word is, has become louder: it counts as it did."""
    return torch.cat([weight[:, :-1], share * weight[:, -1:]], dim=1)


def _grow(weights: Weights, start: Separator, separator: Separator) -> None:
    """Add what a masker has more than the one started from: layers with their FiLM, feed-forward units."""
    before, now = start.masker.config, separator.masker.config
    if not isinstance(before, MaskerConfig) or not isinstance(now, MaskerConfig):
        return
    may_differ = ("layers", "feed_forward", "phrases", "unheard", "nearness", "dropout", "floor")
    same = before.model_copy(update={name: getattr(now, name) for name in may_differ}) == now
    if not same or now.layers < before.layers or now.feed_forward < before.feed_forward:
        return
    assert isinstance(separator.masker, Masker)
    for layer in separator.masker.layers[before.layers :]:
        assert isinstance(layer, MaskerLayer)
        layer.silence()
    own = separator.state_dict()
    for name in [name for name in weights if FEED_IN in name]:
        weights[name] = torch.cat([weights[name], own[name][len(weights[name]) :]])
    for name in [name for name in weights if FEED_OUT in name]:
        weights[name] = nn.functional.pad(weights[name], (0, now.feed_forward - before.feed_forward))
    weights.update((name, own[name]) for name in own if name.startswith(LAYER) and name not in weights)
    last = 2 * now.width  # of the norm behind all layers
    for name in (f"{OUT}weight", f"{OUT}bias"):
        known = weights[name]
        added = own[name][len(known) - last : -last]
        weights[name] = torch.cat([known[:-last], added, known[-last:]])
