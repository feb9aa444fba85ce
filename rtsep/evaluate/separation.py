"""Separation of whole excerpts, and what bounds it: the codec alone and oracle masks.

Everything here takes and returns mono waves of one length, with the separator's lookahead compensated.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from rtsep.models.codec import Codec
from rtsep.models.separator import Separator


@torch.inference_mode()
def separate(separator: Separator, mixtures: Tensor, film: Tensor) -> Tensor:
    """The raw single-prompt outputs, (B, P, T).

    Args:
        separator: the model.
        mixtures: (B, T).
        film: FiLM parameters (B, P, 1, parameters), from ``separator.film_head``.
    """
    batch, prompts = film.shape[:2]
    wave = _padded(separator.codec, mixtures)[:, None]
    state = separator.initial_state(batch, channels=1, prompts=prompts, outputs=prompts)
    separation, _ = separator(wave, film, state)
    return _aligned(separator.codec, separation.wave[:, :, 0], mixtures.shape[-1])


@torch.inference_mode()
def reconstruct(codec: Codec, waves: Tensor, *, codes: bool, codebooks: int | None = None) -> Tensor:
    """What the codec alone makes of waves (..., T): the ceiling of any mask.

    Args:
        codec: the codec.
        waves: (..., T).
        codes: through the quantiser's codes instead of the continuous latent.
        codebooks: in use, all by default.
    """
    flat = waves.flatten(0, -2)
    latent = _encode(codec, flat)
    if not codes:
        return _decode(codec, latent, waves.shape[-1]).view_as(waves)
    found, _ = codec.quantizer.encode(latent, codec.quantizer.initial_state(len(flat))[0], codebooks)
    heard, _ = codec.hear(found, codec.initial_hearing(len(flat)))
    return _aligned(codec, heard[:, 0], waves.shape[-1]).reshape(waves.shape)


@torch.inference_mode()
def oracle_latent_mask(separator: Separator, sources: Tensor) -> Tensor:
    """Separate sources (B, S, T) by the best masks the separator's masker could give, (B, S, T).

    For each group of latent channels that share a mask value, the real factor in 0..1 that brings the
    mixture's latent nearest to the source's: <z_source, z_mixture> / |z_mixture|^2, clamped.
    """
    codec, group = separator.codec, separator.masker.config.group
    batch, count, length = sources.shape
    latent = _encode(codec, torch.cat([sources, sources.sum(dim=1, keepdim=True)], dim=1).flatten(0, 1))
    grouped = latent.reshape(batch, count + 1, -1, group, latent.shape[-1])
    target, mixture = grouped[:, :-1], grouped[:, -1:]
    energy = mixture.square().sum(dim=3, keepdim=True)
    product = (target * mixture).sum(dim=3, keepdim=True)
    mask = (product / energy.clamp(min=1e-12)).clamp(0, 1)
    masked = (mask * mixture).reshape(batch * count, *latent.shape[1:])
    return _decode(codec, masked, length).view_as(sources)


@torch.inference_mode()
def oracle_stft_mask(sources: Tensor, hop: int) -> Tensor:
    """Separate sources (B, S, T) by the ideal amplitude ratio mask of a plain STFT, (B, S, T).

    |S| / (|S| + |N|) with N the sum of all other sources, on a Hann window of four hops, which looks
    ahead two of them: the yardstick of the literature, not a live method.
    """
    mixtures = sources.sum(dim=1, keepdim=True).expand_as(sources).flatten(0, 1)
    mixture, target = _spectrum(mixtures, hop), _spectrum(sources.flatten(0, 1), hop)
    amplitude, rest = target.abs(), (mixture - target).abs()
    mask = amplitude / (amplitude + rest).clamp(min=1e-9)
    return _wave(mask * mixture, hop, sources.shape[-1]).view_as(sources)


def ratio_masked(mixture: Tensor, outputs: Tensor, hop: int) -> Tensor:
    """A mixture (T,) under the ratio mask of each of its outputs (S, T), one a source, (S, T).

    |E_i| over the sum of all |E_j| on the STFT of ``oracle_stft_mask``: what CodecSep's published figures are
    taken after. It needs a right prompt for every source.
    """
    amplitude = _spectrum(outputs, hop).abs()
    mask = amplitude / amplitude.sum(dim=0).clamp(min=1e-9)
    return _wave(mask * _spectrum(mixture, hop), hop, outputs.shape[-1])


@torch.inference_mode()
def channel_share(separator: Separator, mixtures: Tensor, film: Tensor) -> float:
    """How much of the masks' variance is between the means of latent channels, the rest being over time.

    1: the mask is an equaliser that stands still; 0: it opens and closes all channels as one. The diagnostic
    of CodecSep's paper; arguments as for ``separate``.
    """
    codec, prompts = separator.codec, film.shape[1]
    latent = _encode(codec, mixtures)[:, None]
    features = separator.masker.features(latent).repeat_interleave(prompts, dim=0)
    state = separator.masker.initial_state(len(features))
    masks, _ = separator.masker(features, film.flatten(0, 1), state)
    between = masks.mean(dim=-1).var(dim=-1, unbiased=False).mean()
    within = masks.var(dim=-1, unbiased=False).mean()
    whole = float(between + within)
    return float(between) / whole if whole > 0 else 0.0


def _spectrum(waves: Tensor, hop: int) -> Tensor:
    """STFT of waves (..., T) on a Hann window of four hops, which needs more than two to mirror."""
    waves = pad(waves, (0, max(0, 2 * hop + 1 - waves.shape[-1])))
    window = torch.hann_window(4 * hop, device=waves.device)
    return torch.stft(waves, 4 * hop, hop, window=window, return_complex=True)


def _wave(spectrum: Tensor, hop: int, length: int) -> Tensor:
    """The wave (..., length) of what ``_spectrum`` gives."""
    window = torch.hann_window(4 * hop, device=spectrum.device)
    wave: Tensor = torch.istft(spectrum, 4 * hop, hop, window=window, length=length)
    return wave


def _encode(codec: Codec, waves: Tensor) -> Tensor:
    """Latents (N, D, frames) of waves (N, T), with the frames that flush the lookahead."""
    state, _ = codec.initial_state(len(waves))
    latent, _ = codec.encode(_padded(codec, waves)[:, None], state)
    return latent


def _decode(codec: Codec, latent: Tensor, length: int) -> Tensor:
    """Waves (N, length) of latents made by ``_encode``."""
    _, state = codec.initial_state(len(latent))
    waves, _ = codec.decode(latent, state)
    return _aligned(codec, waves[:, 0], length)


def _padded(codec: Codec, waves: Tensor) -> Tensor:
    """Waves (..., T) followed by the silence that brings their last samples out, in whole hops."""
    extra = codec.config.lookahead
    extra += -(waves.shape[-1] + extra) % codec.config.hop
    return pad(waves, (0, extra))


def _aligned(codec: Codec, waves: Tensor, length: int) -> Tensor:
    """The ``length`` samples of an output that belong to those of the input."""
    lookahead = codec.config.lookahead
    return waves[..., lookahead : lookahead + length]
