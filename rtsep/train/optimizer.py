"""What takes the steps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Muon, Optimizer

from rtsep.train.recipe import Recipe


class Optimizers:
    """One or two optimizers of torch's that step, and forget gradients, together.

    Args:
        model: those of its parameters that want a gradient learn.
        recipe: says by what rule.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self._recipe = recipe
        learning = {name: each for name, each in model.named_parameters() if each.requires_grad}
        self._all = tuple(_made(learning, recipe))

    def step(self, rate: float) -> None:
        """Take a step at ``rate`` times the recipe's learning rate."""
        for each in self._all:
            for group in each.param_groups:
                group["lr"] = rate * self._recipe.learning_rate
            each.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for each in self._all:
            each.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, object]]:
        """What resuming needs."""
        return [each.state_dict() for each in self._all]

    def resume(self, state: list[dict[str, object]]) -> None:
        """Go on from what ``state`` gave, with the same recipe."""
        for each, its in zip(self._all, state, strict=True):
            each.load_state_dict(its)


def _made(learning: dict[str, nn.Parameter], recipe: Recipe) -> list[Optimizer]:
    decay = recipe.weight_decay
    if recipe.optimizer == "sgd":
        return [SGD(learning.values(), recipe.learning_rate, weight_decay=decay)]
    turned: list[Tensor] = []
    if recipe.optimizer == "muon":
        turned = [each for name, each in learning.items() if each.ndim == 2 and ".layers." in name]
        turned = [each for each in turned if min(each.shape) > 1]
    others = [each for each in learning.values() if not any(each is one for one in turned)]
    fused = all(each.is_cuda for each in others)  # one launch instead of dozens
    made: list[Optimizer] = [
        AdamW(others, recipe.learning_rate, betas=recipe.betas, weight_decay=decay, fused=fused)
    ]
    if turned:
        made.append(Muon(turned, recipe.learning_rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return made
