"""How many samples of silence the playback ring must start with so that it never runs dry."""

import math
from collections.abc import Callable

_LONGEST_SILENCE = 1 << 24
"""Input samples after which a chain that has emitted nothing is taken for one that never will."""


def callbacks_late(block: int, sample_rate: int, reserve_ms: float) -> int:
    """Callbacks that a reserve spans, at least the one that any worker needs."""
    return max(1, math.ceil(reserve_ms * sample_rate / 1000 / block))


def prefill_samples(block: int, lag: int, emitted: Callable[[int], int], period: int) -> int:
    """The smallest prefill with which no callback of the device ever finds too few samples.

    Callback c (from 0) captures input samples c*D to (c+1)*D - 1 and plays output samples c*D to
    (c+1)*D - 1, where D is ``block``. The worker is ``lag`` callbacks behind: when callback c begins,
    the outputs of the first c + 1 - lag blocks have been written. Lag 1 is the normal turn-around
    (a block captured by one callback is answered before the next); lag 2 forgives one late callback.
    With P samples of silence in front, playing callback c takes::

        P + emitted((c + 1 - lag) * D) >= (c + 1) * D        for every c

    For a chain of hops F, ``emitted(n) = n // F * F``, this is F - gcd(D, F) + lag * D.

    Args:
        block: samples a callback.
        lag: callbacks the worker may need, at least 1.
        emitted: output samples the chain has given after n input samples in total; never decreasing,
            and once it has begun to give any, ``emitted(n + period) == emitted(n) + period``.
        period: that period, in samples.

    Returns:
        The prefill in samples: also the latency from captured to played, counted at the callback.

    Raises:
        ValueError: for a block, lag or period below 1, or an ``emitted`` that breaks its promise.
    """
    if min(block, lag, period) < 1:
        raise ValueError(f"block {block}, lag {lag} and period {period} must be at least 1")
    blocks = 0
    while emitted(blocks * block) <= 0:
        blocks += 1
        if blocks * block > _LONGEST_SILENCE:
            raise ValueError(f"the chain gave nothing for {_LONGEST_SILENCE} input samples")
    # What is owed, n - emitted(n), only repeats once the chain has begun: one full cycle shows it all.
    cycle = period // math.gcd(period, block)
    first, again = blocks * block, (blocks + cycle) * block
    if emitted(again) - emitted(first) != again - first:
        raise ValueError(f"the chain does not repeat every {period} samples")
    owed = max(count * block - emitted(count * block) for count in range(blocks + cycle))
    return owed + lag * block
