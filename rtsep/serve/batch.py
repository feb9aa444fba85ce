"""Sessions whose codes have one shape, in one batch: each joins, leaves and resets on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from rtsep.models.bundle import Bundle
from rtsep.models.code_graph import code_step
from rtsep.models.code_path import CodePath, Edits, PathState
from rtsep.models.condition import Condition
from rtsep.nn.streaming import State, each_leaf, join_rows, select_rows


class Batch:
    """The state of any number of sessions: the masker's, a row for each prompt, the quantiser's, one each.

    One thread.

    Args:
        bundle: the model.
        channels, codebooks: of every session's codes.
        threads: for the arithmetic of one step.
    """

    def __init__(self, bundle: Bundle, channels: int, codebooks: int, threads: int = 1) -> None:
        self._quantizer = bundle.separator.codec.quantizer
        self._fresh = partial(CodePath(bundle.separator, codebooks).initial_state, channels=channels)
        self._step = code_step(bundle, codebooks, threads)
        self._conditions: dict[int, Condition] = {}
        self._rows: dict[int, range] = {}
        self._state = self._fresh(sessions=0, prompts=0)
        self._edits: tuple[tuple[Condition, ...], Edits] | None = None

    def __len__(self) -> int:
        """Number of sessions."""
        return len(self._conditions)

    def join(self, session: int, condition: Condition) -> None:
        """Begin a session, in a state that has heard nothing; one that is there begins again."""
        self.leave(session)
        fresh = self._fresh(sessions=1, prompts=len(condition))
        self._state = PathState(*map(join_rows, zip(self._state, fresh, strict=True)))
        self._conditions[session] = condition
        self._count()

    def leave(self, session: int) -> None:
        """End a session, if there is one of that number."""
        if session in self._conditions:
            self._state = self._of([each for each in self._conditions if each != session])
            del self._conditions[session]
            self._count()

    def turn(self, session: int, condition: Condition) -> None:
        """Edit a session otherwise from its next frame on; a strip that stays keeps its place in time."""
        before = self._conditions[session]
        if condition is before:
            return
        if before.strips != condition.strips:
            kept = {each: list(rows) for each, rows in self._rows.items()}
            kept[session] = [kept[session][row] for row in before.rows(condition.strips)]
            rows = [row for each in kept.values() for row in each]
            self._state = self._state._replace(masker=select_rows(self._state.masker, torch.tensor(rows)))
        self._conditions[session] = condition
        self._count()

    @torch.inference_mode()
    def step(self, codes: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Edit one frame of some of the sessions, (channels, 1 + codebooks) each; the others stand still."""
        sessions = [each for each in self._conditions if each in codes]
        some = len(sessions) < len(self._conditions)
        state = self._of(sessions) if some else self._state
        given = torch.stack([codes[each] for each in sessions])[..., None]
        found, state = self._step(given, self._edits_of(sessions), state)
        self._state = self._with(sessions, state) if some else state
        return dict(zip(sessions, found.squeeze(-1), strict=True))

    @torch.inference_mode()
    def pass_on(self, session: int, codes: Tensor, before: State) -> None:
        """Codes (channels, 1 + codebooks) go out as they came: encoding follows as their listener does.

        Args:
            session: whose.
            codes: of one frame.
            before: what ``encoding`` gave before the frame.
        """
        state = self._of([session])
        encoding = self._quantizer.follow(codes[..., None], each_leaf(before, lambda leaf: leaf[0]))
        encoding = each_leaf(encoding, lambda leaf: leaf[None])
        self._state = self._with([session], state._replace(coding=(encoding, state.coding[1])))

    def encoding(self, session: int) -> State:
        """The state in which a session's next frame will be encoded."""
        return self._of([session]).coding[0]

    def _of(self, sessions: Sequence[int]) -> PathState:
        """The state of some of the sessions."""
        return PathState(*map(select_rows, self._state, self._places(sessions)))

    def _with(self, sessions: Sequence[int], state: PathState) -> PathState:
        """The state with that of some of the sessions replaced, in place: the batch is its only owner."""
        return PathState(*map(_written, self._state, self._places(sessions), state))

    def _places(self, sessions: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Where sessions stand in the masker's state and in the quantiser's."""
        order = {each: number for number, each in enumerate(self._conditions)}
        rows = [row for each in sessions for row in self._rows[each]]
        numbers = [order[each] for each in sessions]
        return torch.tensor(rows, dtype=torch.int64), torch.tensor(numbers, dtype=torch.int64)

    def _count(self) -> None:
        """Number the rows anew, in the order of the sessions."""
        first = 0
        for session, condition in self._conditions.items():
            self._rows[session] = range(first, first + len(condition))
            first += len(condition)
        self._rows = {session: self._rows[session] for session in self._conditions}

    def _edits_of(self, sessions: list[int]) -> Edits:
        """Most frames want what the frame before them wanted."""
        wanted = tuple(self._conditions[each] for each in sessions)
        if self._edits is None or not _same(self._edits[0], wanted):
            self._edits = wanted, Edits.of(wanted)
        return self._edits[1]


def _same(mine: tuple[Condition, ...], theirs: tuple[Condition, ...]) -> bool:
    """Whether these are the very same values."""
    return len(mine) == len(theirs) and all(a is b for a, b in zip(mine, theirs, strict=True))


def _written(state: State, rows: Tensor, new: State) -> State:
    """A state with some of its rows replaced, in place: the batch is its only owner."""
    if isinstance(state, Tensor):
        assert isinstance(new, Tensor)
        return state.index_copy_(0, rows, new)
    return tuple(_written(part, rows, own) for part, own in zip(state, new, strict=True))
