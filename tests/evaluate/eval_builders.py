"""Mixtures of a tone and noise, and a separator for them."""

import numpy as np
import torch

from rtsep.evaluate.report import evaluate_file

RATE = 24_000


def fake_encoder(phrases):
    """One unit vector a phrase."""
    generators = [torch.Generator().manual_seed(len(phrase)) for phrase in phrases]
    rows = torch.stack([torch.randn(384, generator=generator) for generator in generators])
    return torch.nn.functional.normalize(rows, dim=-1)


def with_constant_mask(separator, bias):
    torch.nn.init.zeros_(separator.masker.leave.weight)
    torch.nn.init.constant_(separator.masker.leave.bias, bias)
    return separator


def tone_and_noise(seconds=1.0):
    time_s = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    return 0.3 * np.sin(2 * np.pi * 440 * time_s), 0.1 * noise


def source(path, prompt, **changes):
    line = {"path": path, "start": 0.0, "at": 0.0, "gain_db": 0.0, "prompt": prompt}
    return line | {"category": "event", "known_label": True} | changes


def figures_of(separator, manifest):
    return evaluate_file(separator, fake_encoder, manifest).to_json()


WORDS = {"whistling": ("a whistle", "whistling"), "rain": ("rain", "drops", "a shower")}
