"""ViSQOL (Chinen et al. 2020), where its package is installed: how good a listener would find it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import soxr
from torch import Tensor

RATE = 48_000
"""Of its mode for sounds of every kind."""


def has_visqol() -> bool:
    """Whether the package can be imported; it is built from Google's sources, no registry has it."""
    return find_spec("visqol") is not None


def visqol_mos(estimate: Tensor, target: Tensor, sample_rate: int) -> float:
    """Mean opinion score, 1 to 5, of an estimate (T,) against its target (T,)."""
    from visqol import visqol_lib_py
    from visqol.pb2 import visqol_config_pb2

    config = visqol_config_pb2.VisqolConfig()
    config.audio.sample_rate = RATE
    config.options.use_speech_scoring = False
    models = Path(visqol_lib_py.__file__).parent / "model"
    config.options.svr_model_path = str(models / "libsvm_nu_svr_model.txt")
    judge = visqol_lib_py.VisqolApi()
    judge.Create(config)
    waves = (soxr.resample(wave.double().numpy(), sample_rate, RATE) for wave in (target, estimate))
    return float(judge.Measure(*waves).moslqo)
