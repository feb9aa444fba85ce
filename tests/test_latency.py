"""The latency budget: every term is named, and their sum is the promise."""

from __future__ import annotations

import pytest

from rtsep.latency import LatencyBudget

BUDGET = LatencyBudget(48_000, 10, 72, 480, 384, 73, 240, 901, 20, 960)


def test_the_terms_add_up() -> None:
    assert BUDGET.algorithmic == 480 + 384
    assert BUDGET.engine == 72 + 480 + 384 + 960 + 73 + 240 + 901
    assert BUDGET.total == 10 + BUDGET.engine + 20
    terms = BUDGET.terms_ms()
    assert list(terms)[:9] == [
        "device_in", "resample_in", "hop", "lookahead", "network", "resample_out", "inserts", "ring",
        "device_out",
    ]  # fmt: skip
    assert sum(list(terms.values())[:9]) == pytest.approx(terms["total"])
    assert terms["total"] == pytest.approx(1000 * BUDGET.total / 48_000)
    assert terms["hop"] == 10.0


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_second_of_samples_is_a_thousand_milliseconds(rate: int) -> None:
    assert LatencyBudget(rate, 0, 0, 0, 0, 0, 0, 0, 0).ms(rate) == 1000
