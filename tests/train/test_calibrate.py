"""Masks are as sure as mixtures that were not trained on allow."""

import copy
import json
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import soundfile
import torch
from builders import MASKER, BagOfWords, tiny_separator
from train_builders import RATE, RECIPE, sound, trained

from rtsep.errors import ConfigError
from rtsep.evaluate.report import evaluate_file
from rtsep.models.bundle import load_bundle
from rtsep.train.calibrate import TEMPERATURES, calibrate
from rtsep.train.card import Additions
from rtsep.train.export import export_run
from rtsep.train.pool import Pool

evaluated = partial(evaluate_file, references=False)


@pytest.fixture
def mixtures(tmp_path: Path) -> Path:
    """Two mixtures of a tone and noise, and one that is asked for what does not sound."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "held_out"
    folder.mkdir()
    sources = []
    for label in ("middle tone", "rumble"):
        path = folder / f"{label}.wav"
        soundfile.write(path, sound(label, rng, RATE // 2), RATE)
        where = {"path": f"held_out/{path.name}", "start": 0, "at": 0, "gain_db": 0}
        sources.append(where | {"prompt": label, "category": "event", "known_label": True})
    lines = [{"id": str(number), "set": "pair", "seconds": 0.4, "sources": sources} for number in range(2)]
    lines.append(lines[0] | {"set": "absent", "absent_prompt": "a dog"})
    (folder / "mixtures.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder / "mixtures.jsonl"


def test_a_masker_that_is_sure_and_wrong_becomes_less_sure_without_any_other_change(mixtures: Path) -> None:
    torch.manual_seed(0)
    separator = tiny_separator()
    leave = separator.masker.leave
    torch.nn.init.normal_(leave.weight, std=5.0)
    before = {name: tensor.clone() for name, tensor in separator.state_dict().items()}
    told: list[tuple[float, int, int]] = []
    found = calibrate(separator, BagOfWords(), mixtures, progress=lambda *now: told.append(now))
    assert found.temperature > 1.0
    assert found.after_db > found.before_db
    assert found.targets == 4
    tried = tuple(dict.fromkeys(temperature for temperature, _, _ in told))
    assert tried == TEMPERATURES[: len(tried)] and found.temperature in tried
    for name, tensor in separator.state_dict().items():
        own = before[name] / found.temperature if name.startswith("masker.leave.") else before[name]
        assert torch.equal(tensor, own), name
    targets = evaluated(separator, BagOfWords(), mixtures).targets
    assert fmean(target.si_sdri_db for target in targets) == found.after_db


def test_what_was_quiet_stays_quiet_whatever_that_costs(
    mixtures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    separator = tiny_separator()
    leave = separator.masker.leave
    torch.nn.init.normal_(leave.weight, std=1.0)
    torch.nn.init.constant_(leave.bias, -10.0)  # shut: the less sure, the better, and at last the louder
    trained = copy.deepcopy(separator)
    quiet_db = fmean(evaluated(separator, BagOfWords(), mixtures).absent_db)
    assert calibrate(separator, BagOfWords(), mixtures).temperature == TEMPERATURES[-1]
    assert fmean(evaluated(separator, BagOfWords(), mixtures).absent_db) > quiet_db + 0.01
    monkeypatch.setattr("rtsep.train.calibrate.QUIET_DB", quiet_db + 0.01)
    found = calibrate(trained, BagOfWords(), mixtures)
    assert found.temperature == TEMPERATURES[-2]
    assert found.absent_db == pytest.approx(fmean(evaluated(trained, BagOfWords(), mixtures).absent_db))
    assert found.absent_db <= quiet_db + 0.01


def test_a_masker_that_gains_nothing_by_it_stays_as_it_was(mixtures: Path) -> None:
    separator = tiny_separator()
    leave = separator.masker.leave
    torch.nn.init.zeros_(leave.weight)
    torch.nn.init.constant_(leave.bias, 2.0)
    found = calibrate(separator, BagOfWords(), mixtures)
    assert found.temperature == 1.0
    assert found.after_db == found.before_db
    assert torch.all(leave.bias == 2.0)


def test_an_exported_run_can_be_calibrated_and_its_card_says_so(
    tmp_path: Path, pool: Pool, mixtures: Path
) -> None:
    masker = MASKER.model_copy(update={"dropout": 0.5})  # which must not be heard
    trainer = trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 3, "masker": masker}))
    export_run(tmp_path / "run", tmp_path / "bundle", "calibrated", mixtures=mixtures)
    bundle = load_bundle(str(tmp_path / "bundle"))
    card = (bundle.path / "README.md").read_text()
    temperature = float(card.split("calibrated (temperature ")[1].split(")")[0])
    assert temperature in TEMPERATURES
    own = trainer.averaged.masker.leave.weight / temperature
    assert torch.equal(bundle.separator.masker.leave.weight, own.half().float())
    after_db = float(card.split(" dB before and ")[1].split()[0])
    targets = evaluated(bundle.separator, BagOfWords(), mixtures).targets
    assert fmean(target.si_sdri_db for target in targets) == pytest.approx(after_db, abs=0.02)


def test_what_is_missing_for_the_card_is_said_before_anything_is_calibrated(
    tmp_path: Path, pool: Pool
) -> None:
    trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 1}))
    additions = Additions(notes=tmp_path / "nowhere.md")
    with pytest.raises(ConfigError, match=r"model card: .*nowhere\.md"):
        export_run(
            tmp_path / "run", tmp_path / "bundle", "x", mixtures=tmp_path / "no.jsonl", additions=additions
        )


def test_mixtures_that_ask_for_nothing_that_sounds_are_refused(mixtures: Path) -> None:
    mixtures.write_text(mixtures.read_text().splitlines()[-1])
    with pytest.raises(ConfigError, match="asks for nothing that sounds"):
        calibrate(tiny_separator(), BagOfWords(), mixtures)
