"""Effects asked for in a line, and sound that goes through them."""

from __future__ import annotations

import numpy as np
from builders import Array

from rtsep.control import InsertSpec
from rtsep.effects.protocol import Format
from rtsep.effects.rack import Rack

FORM = Format(48_000, 2, 480)


def spec(text: str) -> InsertSpec:
    return InsertSpec.parse(text)


def blocks(rack: Rack, x: Array) -> Array:
    """The sound through the effects on the sum, hop by hop."""
    outputs = []
    for at in range(0, len(x), 480):
        rack.before(x[:0])
        outputs.append(rack.after(x[at : at + 480]))
    return np.concatenate(outputs)
