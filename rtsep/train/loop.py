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
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rtsep.errors import ConfigError
from rtsep.models.separator import Separator
from rtsep.train.loss import reconstruction_loss, separation_loss
from rtsep.train.mixing import Batch, Mixer
from rtsep.train.recipe import Recipe

Validate = Callable[[Separator], dict[str, float]]

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"


def losses(separator: Separator, batch: Batch, recipe: Recipe) -> dict[str, Tensor]:
    """Every loss with a weight in the recipe, unweighted.

    The last hop-aligned ``lookahead`` of padding lets the whole crop come out of the separator.
    """
    hop, lookahead = separator.hop, separator.lookahead
    spare = lookahead + (-(batch.mixture.shape[-1] + lookahead)) % hop
    mixture = pad(batch.mixture, (0, spare))
    length, found = batch.mixture.shape[-1], {}
    size, prompts = batch.targets.shape[:2]
    if recipe.loss.separation:
        film = separator.film_head(batch.embeddings)[:, :, None]
        separation, _ = separator(mixture, film, separator.initial_state(size, 1, prompts, prompts))
        estimate = separation.wave[:, :, 0, lookahead : lookahead + length]
        found["separation"] = separation_loss(estimate, batch.targets, batch.mixture)
    if recipe.loss.reconstruction or recipe.loss.codes:
        encoder_state, decoder_state = separator.codec.initial_state(size)
        latent, _ = separator.codec.encode(mixture, encoder_state)
    if recipe.loss.reconstruction:
        wave, _ = separator.codec.decode(latent, decoder_state)
        found["reconstruction"] = reconstruction_loss(
            wave[..., lookahead : lookahead + length], batch.mixture
        )
    if recipe.loss.codes:
        quantizer = separator.codec.quantizer
        keep = torch.randint(1, len(quantizer.stages) + 1, (size,), device=latent.device)
        keep[: size // 2] = len(quantizer.stages)  # half of the items use every codebook (Kumar et al. 2023)
        quantized = quantizer(latent, keep)
        power = latent.square().mean(dim=(1, 2)) + 1e-6
        error = (quantized.latent - latent).square().mean(dim=(1, 2))
        # Relative to each item's power, so that loud items do not own the codebooks.
        found["codes"] = (error / power).mean() + quantized.loss / power.mean()
    return found


class Trainer:
    """One run: a folder with the checkpoint, the log and, at the end, nothing else to remember.

    Args:
        recipe: what to do.
        mixer: where batches come from.
        folder: where checkpoint and log are kept; a checkpoint found there is resumed.
        device: where the model runs.
        start: weights to start from instead of a fresh model.
    """

    def __init__(
        self, recipe: Recipe, mixer: Mixer, folder: Path, device: torch.device, start: Separator | None = None
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.mixer, self.folder, self.device = recipe, mixer, folder, device
        self.separator = Separator(recipe.codec, recipe.masker)
        if start is not None:
            _copy_weights(start, self.separator)
        self.separator.to(device)
        learning = tuple(f"{name}." for name in recipe.train)
        for name, parameter in self.separator.named_parameters():
            parameter.requires_grad_(name.startswith(learning))
        parameters = [p for p in self.separator.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            parameters, recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.average = AveragedModel(self.separator, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
        self.step = 0
        self.seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._resume()
        elif start is None:
            self._standardise()

    @property
    def averaged(self) -> Separator:
        """The separator with averaged weights: the one to keep."""
        module: Any = self.average.module
        assert isinstance(module, Separator)
        return module

    def run(self, progress: Progress, validate: Validate | None = None) -> None:
        """Train until the recipe's last step; interrupting saves a checkpoint first."""
        recipe = self.recipe
        task = progress.add_task(recipe.description, total=recipe.steps, completed=self.step)
        running: dict[str, float] = {}
        try:
            while self.step < recipe.steps:
                started = time.monotonic()
                found = self._advance()
                self.seconds += time.monotonic() - started
                for name, value in found.items():
                    running[name] = running.get(name, value) * 0.95 + value * 0.05
                text = " ".join(f"{name} {value:.2f}" for name, value in running.items())
                progress.update(task, completed=self.step, description=text)
                if self.step % recipe.save_every == 0 or self.step == recipe.steps:
                    scores: dict[str, float] = {}
                    if validate and recipe.validate_every and self.step % recipe.validate_every == 0:
                        scores = validate(self.averaged)
                    self._log(running | scores)
                    self.save()
        except KeyboardInterrupt:
            self.save()
            raise

    def _advance(self) -> dict[str, float]:
        """One optimiser step; returns the unweighted losses."""
        recipe = self.recipe
        batch = self.mixer.draw()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            found = losses(self.separator, batch, recipe)
        total = torch.stack([getattr(recipe.loss, name) * loss for name, loss in found.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        if norm.isfinite():  # one bad batch must not end a night's work
            self.optimizer.step()
        self.scheduler.step()
        self.average.update_parameters(self.separator)
        self.step += 1
        return {name: loss.item() for name, loss in found.items()}

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
        found = torch.cat(features)
        masker.feature_mean.add_(found.mean(dim=(0, 2))[:, None])
        # A band in which the data has no sound must not be blown up.
        masker.feature_scale.div_(found.std(dim=(0, 2)).clamp(min=0.1)[:, None])
        self.averaged.load_state_dict(self.separator.state_dict())

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        parts = {
            "recipe": self.recipe.model_dump(mode="json"),
            "step": self.step,
            "seconds": self.seconds,
            "data": self.mixer.data,
            "separator": self.separator.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "mixer": self.mixer.generator.get_state(),
            "torch": torch.get_rng_state(),
        }
        partial = self.folder / f"{CHECKPOINT}.part"
        torch.save(parts, partial)
        partial.replace(self.folder / CHECKPOINT)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        parts = torch.load(path, map_location=self.device, weights_only=True)
        for shape in ("codec", "masker"):
            if parts["recipe"][shape] != self.recipe.model_dump(mode="json")[shape]:
                raise ConfigError(
                    f"{path} was made with another {shape} than the recipe's: use another --out"
                )
        self.step, self.seconds = parts["step"], parts["seconds"]
        self.separator.load_state_dict(parts["separator"])
        self.average.load_state_dict(parts["average"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.scheduler.load_state_dict(parts["scheduler"])
        self.mixer.generator.set_state(parts["mixer"].cpu())
        torch.set_rng_state(parts["torch"].cpu())

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


def load_average(parts: dict[str, Any], separator: Separator) -> None:
    """Load a checkpoint's averaged weights."""
    averaged = {name.removeprefix("module."): value for name, value in parts["average"].items()}
    del averaged["n_averaged"]
    separator.load_state_dict(averaged)


def _copy_weights(start: Separator, separator: Separator) -> None:
    """Start from another run's weights.

    Raises:
        ConfigError: the models are not of one shape.
    """
    try:
        separator.load_state_dict(start.state_dict())
    except RuntimeError as error:
        raise ConfigError(
            f"the weights to start from do not fit the recipe: {str(error).splitlines()[1].strip()}"
        ) from error


def progress_bar() -> Progress:
    """The bar that training shows."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
