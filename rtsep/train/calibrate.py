"""How sure a finished masker may be of what it hears: temperature scaling (Guo et al. 2017, section 4.2).

A masker that knows its training clips by heart is as sure in front of other recordings, and wrong there more
often. What its mask is a sigmoid of is divided by one number, chosen on mixtures that it was not trained on:
the order of all its values stays, the extremes become rarer. The number goes into the weights of the last
layer, so that nothing is added to the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch

from rtsep.errors import ConfigError
from rtsep.evaluate.report import Embed, evaluate_file
from rtsep.models.masker import Masker
from rtsep.models.separator import Separator

TEMPERATURES = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0)
"""Tried in this order, until one does worse than the best before, or lets through what it should not."""

QUIET_DB = -15.0
"""What does not sound has to stay so far below the mixture, if it was before: masks that are less sure are
never quite shut."""


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and what it brought."""

    temperature: float
    """What the mask's logits were divided by."""
    before_db: float
    """Mean SI-SDR improvement over all targets of the mixtures, as trained."""
    after_db: float
    """The same at that temperature."""
    targets: int
    absent_db: float | None
    """Mean level of the output there for what does not sound, against the mixture."""


def calibrate(
    separator: Separator,
    embed: Embed,
    manifest: Path,
    root: Path | None = None,
    *,
    progress: Callable[[float, int, int], None] | None = None,
) -> Calibration:
    """Choose the temperature of a separator's masks, and build it in.

    The one with the highest SI-SDR improvement, mean and median together: what the model knows best weighs
    much in the mean alone, and where mixtures are akin to its training, that is what it is rightly sure of.
    If what does not sound was quiet as trained, see ``QUIET_DB``, it stays quiet.

    Args:
        separator: the model, changed in place.
        embed: the text encoder that it was trained with.
        manifest, root: mixtures as for ``evaluate_file``, that it was not trained on.
        progress: told the temperature that is being tried, how many mixtures are done, and of how many.

    Raises:
        ConfigError: the masker's masks have no temperature, or the mixtures cannot be used.
    """
    masker = separator.masker
    if not isinstance(masker, Masker):
        raise ConfigError("only masks that are a sigmoid can be calibrated: export without --calibrate")
    trained = [parameter.detach().clone() for parameter in masker.leave.parameters()]

    def divide(temperature: float) -> None:
        with torch.no_grad():
            for parameter, own in zip(masker.leave.parameters(), trained, strict=True):
                parameter.copy_(own / temperature)

    found: dict[float, tuple[float, float]] = {}
    absent: dict[float, float | None] = {}
    for temperature in TEMPERATURES:
        divide(temperature)
        told = None if progress is None else partial(progress, temperature)
        report = evaluate_file(separator, embed, manifest, root, references=False, progress=told)
        if not report.targets:
            raise ConfigError(f"{manifest} asks for nothing that sounds: there is nothing to calibrate on")
        absent[temperature] = fmean(report.absent_db) if report.absent_db else None
        if _is_quiet(absent[TEMPERATURES[0]]) and not _is_quiet(absent[temperature]):
            break
        best_db = max(map(sum, found.values()), default=-math.inf)
        improvement = [target.si_sdri_db for target in report.targets]
        found[temperature] = fmean(improvement), median(improvement)
        if sum(found[temperature]) < best_db:
            break
    best = max(found, key=lambda temperature: sum(found[temperature]))
    divide(best)
    before_db, after_db = found[TEMPERATURES[0]][0], found[best][0]
    return Calibration(best, before_db, after_db, len(report.targets), absent[best])


def _is_quiet(absent_db: float | None) -> bool:
    return absent_db is not None and absent_db <= QUIET_DB
