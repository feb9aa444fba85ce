"""The code path as what a server calls for each frame: a graph of all sessions, or one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rtsep.models.bundle import Bundle
from rtsep.models.code_path import CodePath, CodeStep, Edits, PathState
from rtsep.models.graph import Graph, export_graph, leaves, like, not_this_models, numbered, randomised
from rtsep.models.separator import Mix, Separator
from rtsep.nn.streaming import join_rows, select_rows


class _Flat(nn.Module):
    """The forward with tensors alone, which is what can be exported."""

    def __init__(self, separator: Separator, codebooks: int) -> None:
        super().__init__()
        self.path = CodePath(separator, codebooks)
        self.form = self.path.initial_state(1, 1, 1)

    def forward(
        self,
        codes: Tensor,
        film: Tensor,
        owner: Tensor,
        place: Tensor,
        wanted: Tensor,
        removed: Tensor,
        weights: Tensor,
        dry: Tensor,
        state: tuple[Tensor, ...],
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        edits = Edits(film, owner, place, Mix(wanted, removed, weights, dry))
        found, new_state = self.path(codes, edits, PathState(*like(self.form, iter(state))))
        return found, tuple(leaves(new_state))


_MOST_DIFFERING = 0.1
"""Share of codes: far above what rounding does, and far below what another model gives."""

_NAMES = ("codes", "film", "owner", "place", "wanted", "removed", "weights", "dry")


@torch.no_grad()
def export_code_step(separator: Separator, codebooks: int, path: Path) -> None:
    """Write the graph of one frame for any number of sessions, channels and prompts; takes about 15 s.

    Raises:
        BundleError: the packages onnx and onnxscript are missing.
    """
    separator = randomised(separator)
    if separator.masker.causal:
        separator.masker.positions.ring = True
    sessions, channels, prompts, places = 5, 2, 7, 3
    # Two states may be one tensor at the start: the exporter would take them for one for ever.
    state = CodePath(separator, codebooks).initial_state(sessions, channels, prompts)
    flat = [leaf.clone() for leaf in leaves(state)]
    edits = (
        torch.randn(prompts, 1, separator.film_head.out.out_features),
        torch.zeros(prompts, dtype=torch.int64),
        torch.zeros(sessions, places, dtype=torch.int64),
        *(torch.rand(sessions, places) for _ in range(2)),
        torch.rand(sessions, 1, places),
        torch.rand(sessions, 1),
    )
    width = len(separator.codec.quantizer.sizes(codebooks))
    codes = torch.zeros(sessions, channels, width, 1, dtype=torch.int64)
    free = torch.export.Dim.DYNAMIC
    shapes = (
        {0: free, 1: free}, {0: free}, {0: free}, {0: free, 1: free}, {0: free, 1: free}, {0: free, 1: free},
        {0: free, 2: free}, {0: free},
        (*({0: free} for _ in leaves(state.masker)), *({0: free, 1: free} for _ in leaves(state.coding))),
    )  # fmt: skip
    export_graph(
        _Flat(separator, codebooks),
        (codes, *edits, tuple(flat)),
        [*_NAMES, *numbered("state", flat)],
        ["edited", *numbered("new_state", flat)],
        shapes,
        path,
    )


def code_step(bundle: Bundle, codebooks: int, threads: int = 1) -> CodeStep:
    """What runs one frame of codes of that many codebooks, where the bundle's weights are.

    On a processor every session gets the codes that it would get alone, bit for bit: the graph's matrix
    products treat a row alike however many there are, and without a graph the sessions run one by one. The
    graph works on the state that it is given, whose caches are too large to be copied for every frame.

    Raises:
        BundleError: the bundle's graph is another model's.
    """
    path = CodePath(bundle.separator, codebooks)
    if next(path.parameters()).device.type != "cpu":
        return path
    graph = bundle.code_graph(codebooks)
    return _graph_step(graph, path, threads) if graph else _one_by_one(path)


def differing_codes(graph: Path, separator: Separator, codebooks: int) -> float:
    """The share of codes that a graph decides otherwise than the eager path.

    Raises:
        BundleError: it cannot be read, or is another model's graph.
    """
    path = CodePath(separator, codebooks)
    return _checked(graph, _steps_of(graph, path, 1), path)


def _graph_step(graph: Path, path: CodePath, threads: int) -> CodeStep:
    """The graph, checked against the path that it stands for."""
    step = _steps_of(graph, path, threads)
    _checked(graph, step, path)
    return step


def _steps_of(graph: Path, path: CodePath, threads: int) -> CodeStep:
    form = path.initial_state(1, 1, 1)
    run = Graph(graph, _Flat(path.separator, path.codebooks), threads)

    def step(codes: Tensor, edits: Edits, state: PathState) -> tuple[Tensor, PathState]:
        film, owner, place, mix = edits
        seen, *before = leaves(state.masker)
        found = run(codes, film, owner, place, *mix, seen, *before, *leaves(state.coding))
        edited, new_seen = next(found), next(found)
        kept = [_kept(old, next(found), seen) for old in before]
        masker = like(form.masker, iter([new_seen, *kept]))
        return edited, PathState(masker, like(form.coding, found))

    return step


def _checked(graph: Path, step: CodeStep, path: CodePath) -> float:
    """The share of differing codes, where it is one that rounding makes."""
    try:
        differing = _differing(step, path)
    except Exception as error:  # its exceptions have no common base
        raise not_this_models(graph, error) from error
    if differing > _MOST_DIFFERING:
        raise not_this_models(graph, f"{100 * differing:.0f} % of its codes differ")
    return differing


def _kept(old: Tensor, new: Tensor, seen: Tensor) -> Tensor:
    """A masker's next state: of a ring only one frame is new, which takes the place of the oldest."""
    if new.shape == old.shape:
        return new
    ring = old.numpy()
    ring[np.arange(len(ring)), :, seen.numpy() % ring.shape[2]] = new.numpy()[:, :, 0]
    return old


def _one_by_one(path: CodePath) -> CodeStep:
    """Eager, a session at a time: products of other sizes round otherwise."""

    def step(codes: Tensor, edits: Edits, state: PathState) -> tuple[Tensor, PathState]:
        edited, states = [], []
        for number, own in enumerate(codes.split(1)):
            rows = (edits.owner == number).nonzero().flatten()
            before = PathState(
                select_rows(state.masker, rows), select_rows(state.coding, torch.tensor([number]))
            )
            found, after = path(own, edits.only(number, rows), before)
            edited.append(found)
            states.append(after)
        maskers, codings = zip(*states, strict=True)
        return torch.cat(edited), PathState(join_rows(maskers), join_rows(codings))

    return step


@torch.inference_mode()
def _differing(step: CodeStep, path: CodePath) -> float:
    """The share of codes that are not those of the eager path, over some frames of two sessions."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([path.separator.codec.quantizer.sizes(path.codebooks)])[..., None]
    film = torch.randn(2, 1, path.separator.film_head.out.out_features, generator=generator)
    one, two = torch.ones(2, 1), torch.arange(2)
    edits = Edits(film, two, two[:, None], Mix(one, 0 * one, one[:, None], 0 * one))
    ours = theirs = path.initial_state(2, sizes.shape[0], 2)
    wrong = []
    for _ in range(3):
        codes = (torch.rand(2, *sizes.shape, generator=generator) * sizes).long()
        found, ours = step(codes, edits, ours)
        expected, theirs = path(codes, edits, theirs)
        wrong.append((found != expected).float().mean())
    return float(torch.stack(wrong).mean())
