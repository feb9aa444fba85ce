"""Manifests: clips cut, scaled and placed as they say, and what is wrong with one in a line."""

import json
import math

import numpy as np
import pytest
import torch
from eval_builders import RATE, source, tone_and_noise

from rtsep.errors import ConfigError
from rtsep.evaluate.mixtures import load, read_manifest


def test_clips_are_cut_scaled_and_placed_as_the_manifest_says(manifest):
    tone, noise = tone_and_noise()
    trio = read_manifest(manifest, manifest.parent.parent)[1]
    sources = load(trio, manifest.parent.parent, RATE)
    assert sources.shape == (3, RATE)
    assert sources.dtype == torch.float32
    assert np.allclose(sources[0], tone * 10 ** (-3 / 20), atol=1e-6)
    assert np.allclose(sources[1], noise, atol=1e-6)
    assert not sources[2, : RATE // 2].any()
    assert np.allclose(sources[2, RATE // 2 :], tone[RATE // 4 : 3 * RATE // 4], atol=1e-6)


def test_clips_of_another_rate_are_resampled(manifest):
    root = manifest.parent.parent
    pair = read_manifest(manifest, root)[0]
    sources = load(pair, root, 48_000)
    assert sources.shape == (2, 48_000)
    assert torch.allclose(sources[0, 2000:-2000:2], load(pair, root, RATE)[0, 1000:-1000], atol=1e-3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sources": [{"path": "dev/tone.wav"}]}, "sources.0.gain_db: Field required"),
        ({"sources": [source("dev/missing.wav", "dog")]}, "no clip"),
        ({"sources": [source("dev/tone.wav", " ")]}, "the prompt is empty"),
        ({"sources": []}, "sources: Tuple should have at least 1 item"),
        ({"set": "absent"}, "needs an absent_prompt"),
        ({"seconds": 1e-5}, "seconds: Input should be greater than or equal to 0.001"),
        (
            {"sources": [source("dev/tone.wav", "dog", gain_db=10_000)]},
            "sources.0.gain_db: Input should be less",
        ),
        ({"sources": [source("dev/tone.wav", "dog", at=math.inf)]}, "sources.0.at: Input should be a finite"),
    ],
)
def test_a_bad_line_is_one_line_that_names_file_and_line(manifest, change, complaint):
    first = manifest.read_text().splitlines()[0]
    manifest.write_text(f"{first}\n\n{json.dumps(json.loads(first) | change)}\n")
    with pytest.raises(ConfigError) as caught:
        read_manifest(manifest, manifest.parent.parent)
    message = str(caught.value)
    assert f"{manifest}, line 3: " in message
    assert complaint in message
    assert "\n" not in message


def test_manifests_that_are_no_manifest_are_refused(tmp_path):
    path = tmp_path / "m.jsonl"
    with pytest.raises(ConfigError, match="cannot read the manifest"):
        read_manifest(path, tmp_path)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="holds no mixture"):
        read_manifest(path, tmp_path)
    path.write_text("dog\n")
    with pytest.raises(ConfigError, match="line 1: Invalid JSON"):
        read_manifest(path, tmp_path)


def test_a_clip_that_is_no_audio_is_refused(manifest):
    root = manifest.parent.parent
    (manifest.parent / "tone.wav").write_bytes(b"not audio")
    with pytest.raises(ConfigError, match=r"cannot read the clip .*tone\.wav"):
        load(read_manifest(manifest, root)[0], root, RATE)
