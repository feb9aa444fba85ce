"""Fixtures of tests of the evaluation."""

import json

import pytest
import soundfile
import torch
from eval_builders import RATE, source, tone_and_noise

from rtsep.models.codec import CodecConfig
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Separator


@pytest.fixture
def separator():
    torch.manual_seed(0)
    masker = MaskerConfig(width=32, layers=1, heads=2, feed_forward=32, text_hidden=16, floor=0)
    return Separator(CodecConfig(codebooks=3, codebook_size=64), masker).eval()


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "dev"
    folder.mkdir()
    tone, noise = tone_and_noise()
    soundfile.write(folder / "tone.wav", tone, RATE, subtype="FLOAT")
    soundfile.write(folder / "noise.wav", noise, RATE, subtype="FLOAT")
    tone_source = source("dev/tone.wav", "Whistling", gain_db=-3.0)
    noise_source = source("dev/noise.wav", "rain", known_label=False, category="speech")
    late = source("dev/tone.wav", "beep", start=0.25, at=0.5, category="music")
    lines = [
        {"id": "p", "set": "pair", "sources": [tone_source, noise_source]},
        {"id": "t", "set": "trio", "sources": [tone_source, noise_source, late]},
        {"id": "s", "set": "speech", "sources": [noise_source, late]},
        {"id": "a", "set": "absent", "sources": [tone_source, noise_source], "absent_prompt": "dog"},
    ]
    path = folder / "mixtures.jsonl"
    path.write_text("\n".join(json.dumps({"seconds": 1.0} | line) for line in lines))
    return path
