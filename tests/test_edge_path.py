"""The graphs of an edge: what they send and hear is what the codec does, and another model's are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from rtsep.errors import BundleError
from rtsep.models.bundle import EDGE_GRAPHS, Bundle, load_bundle
from rtsep.models.code_path import codebooks_within
from rtsep.models.edge_path import HearPath, SendPath, edge_path

HOPS = 30


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle()


@pytest.mark.parametrize("channels", [1, 2])
@torch.inference_mode()
def test_the_shipped_graphs_send_and_hear_what_the_codec_does(shipped: Bundle, channels: int) -> None:
    codebooks = codebooks_within(shipped.separator)
    assert shipped.edge_graphs(codebooks) is not None
    send, hear = edge_path(shipped, codebooks)
    sending, hearing = SendPath(shipped.separator, codebooks), HearPath(shipped.separator)
    sound = 0.1 * torch.randn(
        channels, 1, HOPS * shipped.separator.hop, generator=torch.Generator().manual_seed(3)
    )
    latents, expected, _ = sending(sound, sending.initial_state(channels))
    both, _ = hearing(expected, hearing.initial_state(channels))
    state, heard = sending.initial_state(channels), hearing.initial_state(channels)
    wrong = off = 0.0
    for hop, piece in enumerate(sound.split(shipped.separator.hop, dim=-1)):
        latent, codes, state = send(piece, state)
        assert torch.allclose(latent, latents[..., hop : hop + 1], atol=1e-4)
        wrong += float((codes != expected[..., hop : hop + 1]).float().mean()) / HOPS
        found, heard = hear(expected[..., hop : hop + 1], heard)
        off = max(off, float((found - both[..., hop : hop + 1]).abs().max()))
    assert off < 5e-3 * float(both.abs().max())
    assert wrong < 0.05  # where two codewords are as near, rounding decides, and what follows from it


def test_graphs_of_another_model_are_refused(shipped: Bundle, tmp_path: Path) -> None:
    codebooks = codebooks_within(shipped.separator)
    folder = tmp_path / "bundle"
    shutil.copytree(shipped.path, folder)
    send, hear = (folder / name.format(codebooks) for name in EDGE_GRAPHS)
    shutil.copy(send, hear)
    with pytest.raises(BundleError, match="not this model's graph"):
        edge_path(load_bundle(str(folder)), codebooks)
