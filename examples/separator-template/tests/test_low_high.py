"""What the template promises, and what it is for."""

import torch
from separator_template import LowHigh

from rtsep import Stream
from rtsep.conformance.checks import check

SEPARATOR = LowHigh(torch.device("cpu"))


def test_it_keeps_every_promise_of_the_protocol() -> None:
    assert not [result for result in check(SEPARATOR) if not result.kept]


def test_a_low_tone_is_low() -> None:
    tone = torch.sin(2 * torch.pi * 60 * torch.arange(48_000) / 48_000)
    low, high = (Stream(words, separator=SEPARATOR).feed(tone)[4800:] for words in ("low", "high"))
    assert low.std() > 50 * high.std()
