"""The training loop, one for codec, masker and joint fine-tuning; the recipe says which parts learn."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rtsep.errors import ConfigError
from rtsep.models.codec_store import load_codec
from rtsep.models.separator import Separator
from rtsep.train.ahead import Ahead
from rtsep.train.checkpoint import CHECKPOINT, Parts, read_checkpoint, understood, write_checkpoint
from rtsep.train.compiling import compiled
from rtsep.train.mixture import Batches
from rtsep.train.objective import Objective
from rtsep.train.optimizer import Optimizers
from rtsep.train.ranks import Ranks
from rtsep.train.recipe import Recipe
from rtsep.train.start import start_codec, start_from

Validate = Callable[[Separator], dict[str, float]]

LOG = "log.csv"


LOOK_EVERY_S = 0.5
"""How often losses are read and shown: reading one makes the processor wait for the GPU."""

AGREE_EVERY = 10
"""Steps between two looks at the clock, which several GPUs take together."""


class Trainer:
    """One run: a folder with the checkpoint, the log and, at the end, nothing else to remember.

    Args:
        recipe: what to do.
        mixer: where batches come from.
        folder: where checkpoint and log are kept; a checkpoint found there is resumed.
        device: where the model runs.
        start: weights to start from instead of a fresh model.
        ranks: this process among those that train together.
        compile: compile the forward and the making of mixtures; what cannot be compiled runs as it is.
    """

    def __init__(
        self,
        recipe: Recipe,
        mixer: Batches,
        folder: Path,
        device: torch.device,
        start: Separator | None = None,
        *,
        ranks: Ranks | None = None,
        compile: bool = False,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.device = recipe, folder, device
        self.mixer = Ahead(mixer, device)
        self.ranks = ranks or Ranks()
        self.separator = _built(recipe)
        if recipe.codec_weights is not None:
            start_codec(load_codec(recipe.codec_weights), self.separator.codec)
        if start is not None:
            start_from(start, self.separator)
        neighbours = self.separator.film_head.neighbours
        if neighbours is not None and "film_head" in recipe.train:
            neighbours.fill(mixer.bank)
        self.separator.to(device)
        learning = tuple(f"{name}." for name in recipe.train)
        for name, parameter in self.separator.named_parameters():
            parameter.requires_grad_(name.startswith(learning))
        self._learning = [p for p in self.separator.parameters() if p.requires_grad]
        self.optimizers = Optimizers(self.separator, recipe)
        self.average = AveragedModel(self.separator, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            with understood(folder):
                self._resume()
        elif start is None:
            self._standardise()
        objective: nn.Module = self.ranks.join(Objective(self.separator, recipe.loss))
        self._objective = compiled(objective) if compile else objective
        if compile:
            self.mixer.compile()
        self._running: dict[str, Tensor] = {}

    @property
    def averaged(self) -> Separator:
        """The separator with averaged weights: the one to keep."""
        module: Any = self.average.module
        assert isinstance(module, Separator)
        return module

    def run(self, progress: Progress, validate: Validate | None = None, seconds: float | None = None) -> None:
        """Train until the recipe's last step, or for so long; interrupting saves a checkpoint first."""
        recipe, clock, shown = self.recipe, time.monotonic(), 0.0
        until = math.inf if seconds is None else clock + seconds
        task = progress.add_task(recipe.description, total=recipe.steps, completed=self.step)
        try:
            while self.step < recipe.steps:
                self._advance()
                now = time.monotonic()
                if now - shown > LOOK_EVERY_S:
                    self._show(progress, task)
                    shown = now = time.monotonic()
                self.seconds += now - clock
                clock = now
                last = self.step == recipe.steps
                if seconds is not None and self.step % AGREE_EVERY == 0:
                    last |= self.ranks.agree(now > until, self.device)
                if last or self.step % recipe.save_every == 0:
                    self._show(progress, task)
                    self._milestone(validate)
                    clock = time.monotonic()
                if last:
                    break
        except KeyboardInterrupt:
            self.save()
            raise

    def _advance(self) -> None:
        """One optimiser step; nothing in it makes the processor wait for a GPU."""
        recipe = self.recipe
        batch = self.mixer.draw()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            found: dict[str, Tensor] = self._objective(*batch)
        total = torch.stack([getattr(recipe.loss, name) * loss for name, loss in found.items()]).sum()
        self.optimizers.zero_grad()
        total.backward()
        spoilt = ~nn.utils.clip_grad_norm_(self._learning, recipe.clip_norm).isfinite()
        for parameter in self._learning:
            if parameter.grad is not None:  # one bad batch must not end a night's work
                parameter.grad.masked_fill_(spoilt, 0)
        self.optimizers.step(self._rate(self.step))
        self.average.update_parameters(self.separator)
        self.step += 1
        for name, loss in found.items():
            now = loss.detach()
            self._running[name] = torch.lerp(self._running.get(name, now), now, 0.05)

    def _show(self, progress: Progress, task: TaskID) -> None:
        text = " ".join(f"{name} {value.item():.2f}" for name, value in self._running.items())
        progress.update(task, completed=self.step, description=text)

    def _milestone(self, validate: Validate | None) -> None:
        """Log and save; validate where the recipe says so. Only the first rank does."""
        if self.ranks.number:
            return
        row = {name: value.item() for name, value in self._running.items()}
        if validate and self.recipe.validate_every and self.step % self.recipe.validate_every == 0:
            row |= validate(self.averaged)
        self._log(row)
        self.save()

    def _rate(self, step: int) -> float:
        """Warm-up, plateau, half a cosine down to zero."""
        recipe = self.recipe
        left = (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps)
        fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, max(0.0, left)))
        return min(1.0, (step + 1) / (recipe.warm_up + 1)) * fall

    @torch.no_grad()
    def _standardise(self) -> None:
        """Measure mean and deviation of the masker's features on the first batches."""
        masker, features = self.separator.masker, []
        for _ in range(8):
            mixture = self.mixer.draw().mixture
            usable = mixture[..., : mixture.shape[-1] // self.separator.hop * self.separator.hop]
            latent, _ = self.separator.codec.encode(
                usable, self.separator.codec.encoder.initial_state(len(mixture))
            )
            features.append(masker.features(latent[:, None]))
        masker.standardise(torch.cat(features))
        self.averaged.load_state_dict(self.separator.state_dict())

    def parts(self) -> Parts:
        """Everything that resuming needs."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "step": self.step,
            "seconds": self.seconds,
            "ranks": self.ranks.count,
            "data": self.mixer.data,
            "separator": self.separator.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": self.optimizers.state(),
            "mixer": self.mixer.state(),
            "torch": torch.get_rng_state(),
        }

    def save(self) -> None:
        """Write the checkpoint, if this is the first rank."""
        if self.ranks.number == 0:
            write_checkpoint(self.folder, self.parts())

    def _resume(self) -> None:
        parts = read_checkpoint(self.folder, self.device)
        before = Recipe.model_validate(parts["recipe"])
        for shape in ("codec", "masker", "text_encoder"):
            if getattr(before, shape) != getattr(self.recipe, shape):
                raise ConfigError(
                    f"{self.folder / CHECKPOINT} was made with another {shape} than the recipe's: "
                    "use another --out"
                )
        if "optimizers" in parts:  # a run that has travelled has none
            if ({*before.train}, before.optimizer) != ({*self.recipe.train}, self.recipe.optimizer):
                raise ConfigError(
                    f"{self.folder / CHECKPOINT} was made with other 'train' or 'optimizer' "
                    f"({', '.join(before.train)}; {before.optimizer}): use another --out, and --start from it"
                )
            self.optimizers.resume(parts["optimizers"])
        self.step, self.seconds = parts["step"], parts["seconds"]
        self.separator.load_state_dict(parts["separator"])
        self.average.load_state_dict(parts["average"])
        if self.ranks.number == 0:
            self.mixer.resume(parts["mixer"].cpu())
            torch.set_rng_state(parts["torch"].cpu())
        else:  # as the first rank's, every GPU would hear the same
            self.mixer.reseed(self.recipe.seed + self.step + 1_000_003 * self.ranks.number)

    def _log(self, row: dict[str, float]) -> None:
        path = self.folder / LOG
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "name", "value"])
            writer.writerows(
                [self.step, round(self.seconds), name, round(value, 4)] for name, value in row.items()
            )


def _built(recipe: Recipe) -> Separator:
    """A recipe's model, if it can learn from the recipe's mixtures."""
    try:
        separator = Separator(recipe.codec, recipe.masker)
    except ValueError as error:
        raise ConfigError(f"codec and masker do not fit: {error}") from error
    if recipe.mixing.seconds * separator.sample_rate < separator.hop:
        raise ConfigError(
            f"mixing.seconds of {recipe.mixing.seconds:g} hold no hop of {separator.hop} samples"
        )
    return separator


def progress_bar() -> Progress:
    """The bar that training shows."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
