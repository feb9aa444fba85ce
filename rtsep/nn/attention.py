"""Windowed causal self-attention with rotary positions and a bounded cache."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from rtsep.nn.streaming import State, Streaming

PERIOD = 4096
"""Frames after which the rotary positions repeat; a window is at most half of it."""


class Context(NamedTuple):
    """Where a chunk's frames stand and what each may see; the same for every layer, made once a chunk."""

    cosine: Tensor
    """(B, 1, T, head width)."""
    sine: Tensor
    """(B, 1, T, head width), the first half negative."""
    visible: Tensor
    """(B * blocks, 1, length, window + length): which key of a block's context each query may see."""
    frames: int
    blocks: int
    length: int
    ring: bool = False
    """Whether the cache is a ring, see ``Positions``; ``visible`` is then (B, 1, 1, window + 1)."""


class Positions(Streaming):
    """Counts frames and makes the ``Context`` of each chunk. The state is the frames seen, (B,), int64.

    Positions enter attention as rotations (Su et al. 2021) whose frequencies are whole numbers of
    turns in ``PERIOD`` frames: the angle of frame n equals that of n modulo ``PERIOD``, so that a
    stream may run for ever over one small exact table.

    ``ring`` is for a graph of one frame, whose caches would otherwise be copied twice for every frame: frame
    n then stands in slot n modulo ``window`` of the cache, and instead of the next cache attention returns
    what whoever owns the cache is to write there.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, head_width: int, window: int) -> None:
        super().__init__()
        if 2 * window > PERIOD:
            raise ValueError(f"window {window} must be at most {PERIOD // 2} frames")
        self.window, self.ring = window, False
        cosine, sine = _rotation_table(head_width)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)

    def initial_state(self, batch: int) -> State:
        """Frame 0."""
        return torch.zeros(batch, dtype=torch.int64, device=self.cosine.device)

    def forward(self, frames: int, seen: Tensor) -> tuple[Context, Tensor]:
        """The context of the next ``frames`` frames."""
        length = min(frames, self.window)
        blocks = -(-frames // length)
        device = seen.device
        position = (seen[:, None] + torch.arange(frames, device=device)) % PERIOD
        turns = self.cosine[position][:, None], self.sine[position][:, None]
        if self.ring:
            slot = torch.arange(self.window + 1, device=device)  # the last one is the frame itself
            oldest = slot == seen[:, None] % self.window
            visible = (slot == self.window) | (slot < seen[:, None]) & ~oldest
            return Context(*turns, visible[:, None, None], frames, 1, 1, True), seen + frames
        query = torch.arange(length, device=device)[:, None]
        key = torch.arange(self.window + length, device=device)
        near = (key > query) & (key <= query + self.window)
        start = seen[:, None] + length * torch.arange(blocks, device=device)
        happened = start[..., None] + key >= self.window  # the cache is empty before frame 0
        visible = (near & happened[..., None, :]).flatten(0, 1)[:, None]
        return Context(*turns, visible, frames, blocks, length), seen + frames


class WindowedAttention(Streaming):
    """Each frame attends to itself and the ``window - 1`` frames before it.

    The state is the keys and values of the last ``window`` frames, (B, heads, window, width / heads)
    each. A long chunk is cut into blocks of ``window`` frames that each see the block before, so that
    time and memory grow linearly with its length.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} must be a multiple of twice the heads ({heads})")
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def initial_state(self, batch: int) -> State:
        """An empty cache."""
        shape = batch, self.heads, self.window, self.qkv.in_features // self.heads
        return self._zeros(*shape), self._zeros(*shape)

    def forward(self, x: Tensor, context: Context, state: tuple[Tensor, Tensor]) -> tuple[Tensor, State]:
        """Attend over (B, T, width), or (B, width) where T is 1; returns the same shape."""
        batch, frames, heads = len(x), context.frames, self.heads
        projected = self.qkv(x).view(batch, frames, 3 * heads, -1).transpose(1, 2)
        rotated, value = projected.split([2 * heads, heads], dim=1)
        query, key = _rotate(rotated, context).chunk(2, dim=1)
        if context.ring:
            y = _over_ring(query, (key, value), state, context.visible)
            return self.out(y.transpose(1, 2).reshape(x.shape)), (key, value)
        keys = torch.cat([state[0], key], dim=2)
        values = torch.cat([state[1], value], dim=2)
        new_state = keys[:, :, -self.window :], values[:, :, -self.window :]
        if context.blocks > 1:
            spare = context.blocks * context.length - frames
            query = pad(query, (0, 0, 0, spare)).unflatten(2, (context.blocks, context.length))
            query = query.transpose(1, 2).flatten(0, 1)
            keys, values = (self._blocks(pad(cached, (0, 0, 0, spare)), context) for cached in (keys, values))
        y = scaled_dot_product_attention(query, keys, values, attn_mask=context.visible)
        if context.blocks > 1:
            y = y.unflatten(0, (batch, context.blocks)).transpose(1, 2).flatten(2, 3)[:, :, :frames]
        return self.out(y.transpose(1, 2).reshape(x.shape)), new_state

    def _blocks(self, cached: Tensor, context: Context) -> Tensor:
        """Keys or values (B, heads, window + T, width) to each block's own."""
        unfolded = cached.unfold(2, self.window + context.length, context.length)
        return unfolded.permute(0, 2, 1, 4, 3).flatten(0, 1)


def _over_ring(
    query: Tensor, own: tuple[Tensor, Tensor], ring: tuple[Tensor, Tensor], visible: Tensor
) -> Tensor:
    """Attention of one frame to itself and to a cache, without joining them."""
    (key, value), (keys, values) = own, ring
    query = query / math.sqrt(query.shape[-1])
    score = torch.cat([query @ keys.transpose(2, 3), (query * key).sum(dim=-1, keepdim=True)], dim=-1)
    share = score.masked_fill(~visible, -math.inf).softmax(dim=-1)
    window = keys.shape[2]
    return share[..., :window] @ values + share[..., window:] * value


class WholeAttention(Streaming):
    """Each frame attends to every frame of the chunk, before and after it; nothing is kept for the next.

    Args:
        width: of a frame.
        heads: a divisor of the width.
        dropout: of the weights, in training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def initial_state(self, batch: int) -> State:
        """Nothing."""
        return ()

    def forward(self, x: Tensor) -> Tensor:
        """Attend over (B, T, width); returns the same shape."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = scaled_dot_product_attention(query, key, value, dropout_p=self.dropout * self.training)
        attended: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return attended


def sinusoids(frames: int, width: int) -> Tensor:
    """Sines and cosines of the positions 0, 1, ..., side by side, (frames, width) (Vaswani et al. 2017)."""
    rate = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(frames, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def _rotation_table(width: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine, (PERIOD, width) each, for ``_rotate``; in float64, as float32 angles lose 1e-5."""
    fastest = PERIOD / (2 * math.pi)
    turns = (fastest ** torch.linspace(1, 0, width // 2, dtype=torch.float64)).round()
    angle = torch.arange(PERIOD, dtype=torch.float64)[:, None] * turns * (2 * math.pi / PERIOD)
    cosine, sine = angle.cos().float(), angle.sin().float()
    return torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)


def _rotate(x: Tensor, context: Context) -> Tensor:
    """Rotate the halves of the last dimension against each other."""
    swapped = torch.cat(x.chunk(2, dim=-1)[::-1], dim=-1)
    return torch.addcmul(x * context.cosine, swapped, context.sine)
