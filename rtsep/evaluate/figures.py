"""From scores to figures: means and medians by set, category and label."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median
from typing import Any

from rtsep.evaluate.scores import References, TargetScore

SETS = ("pair", "range", "trio", "speech")
"""The sets of the protocol in which every source is a target; a report has them all, however small."""

Figures = dict[str, Any]
"""Figures by name, as they stand in JSON."""

Measure = Callable[[TargetScore], float | None]
"""Reads one figure of a target, None where it was not measured."""


def breakdown(scores: Sequence[TargetScore], measure: Measure) -> Figures:
    """An improvement by set, by category, and by whether the label was trained on."""
    sets: dict[str, list[TargetScore]] = {name: [] for name in SETS} | grouped(
        scores, lambda score: score.set
    )
    figures: Figures = {"sets": {name: improvement(map(measure, some)) for name, some in sets.items()}}
    spoken = improvement(measure(score) for score in sets["speech"] if score.category == "speech")
    figures["sets"]["speech"] |= {f"speech_targets_{key}": value for key, value in spoken.items()}
    figures["known"] = improvement(measure(score) for score in scores if score.known)
    figures["unseen"] = improvement(measure(score) for score in scores if not score.known)
    categories = grouped(scores, lambda score: score.category)
    figures["categories"] = {name: improvement(map(measure, some)) for name, some in categories.items()}
    return figures


def ceiling(scores: Sequence[TargetScore]) -> Figures:
    """The codec's own SI-SDR, continuous and through codes."""
    continuous = map(reference(lambda references: references.codec_db), scores)
    codes = map(reference(lambda references: references.codec_codes_db), scores)
    return mean_and_median("codec_ceiling_si_sdr_db", continuous) | mean_and_median(
        "codec_ceiling_codes_si_sdr_db", codes
    )


def paraphrase(scores: Iterable[TargetScore]) -> Figures:
    """The improvement for paraphrases, and what they lose against the labels, on the same targets."""
    pairs = [
        (score.si_sdri_db, score.paraphrase_si_sdri_db)
        for score in scores
        if score.paraphrase_si_sdri_db is not None
    ]
    lost = (label - said for label, said in pairs)
    return improvement(said for _, said in pairs) | mean_and_median("lost_db", lost)


def reference(read: Callable[[References], float]) -> Measure:
    """Reads one figure of a score's references, where it has them."""
    return lambda score: None if score.references is None else read(score.references)


def grouped(scores: Iterable[TargetScore], key: Callable[[TargetScore], str]) -> dict[str, list[TargetScore]]:
    """Scores grouped by a key, in alphabetical order."""
    groups: dict[str, list[TargetScore]] = defaultdict(list)
    for score in sorted(scores, key=key):
        groups[key(score)].append(score)
    return dict(groups)


def improvement(values: Iterable[float | None]) -> Figures:
    """SI-SDR improvements as mean, median and their number."""
    known = [value for value in values if value is not None]
    return mean_and_median("si_sdri_db", known) | {"n": len(known)}


def mean_and_median(name: str, values: Iterable[float | None]) -> Figures:
    """``name`` and ``median_name``, None where there is no value or one is not finite."""
    known = [value for value in values if value is not None]
    usable = bool(known) and all(map(math.isfinite, known))
    return {
        name: round(fmean(known), 3) if usable else None,
        f"median_{name}": round(median(known), 3) if usable else None,
    }
