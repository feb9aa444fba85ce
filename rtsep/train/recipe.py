"""A recipe: everything that one training run depends on, read from one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from rtsep.errors import ConfigError
from rtsep.models.codec import AnyCodecConfig, CodecConfig
from rtsep.models.kinds import fault_of
from rtsep.models.masker import AnyMaskerConfig, MaskerConfig
from rtsep.train.mixture import MixingConfig

RECIPES = Path(__file__).parent / "recipes"

Share = Annotated[float, Field(ge=0, lt=1)]


class LossConfig(BaseModel):
    """Weight of each loss; one at zero is not computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    separation: NonNegativeFloat = 1.0
    """Shape, level and silence, see ``separation_loss``."""
    silence: NonNegativeFloat = 0.3
    """In it, the weight of silence where a prompt names nothing that sounds."""
    si_sdr: NonNegativeFloat = 0.0
    """The paper's: negative SI-SDR alone, which leaves the gain free and knows no absent targets."""
    reconstruction: NonNegativeFloat = 0.0
    """The codec's own output for the mixture, unmasked: error in dB."""
    spectrum: NonNegativeFloat = 0.0
    """The same by a multi-resolution STFT."""
    codes: NonNegativeFloat = 0.0
    """The quantiser: what codes lose of the latent, in dB."""
    through_codes: float = Field(default=0.0, ge=0, le=1)
    """Share of the items whose reconstruction goes through codes (quantiser dropout, Kumar et al. 2023)."""

    @model_validator(mode="after")
    def _codes_learn(self) -> LossConfig:
        if self.through_codes and not self.codes:
            raise ValueError("through_codes needs codes to have a weight, or the codebooks learn nothing")
        return self


class Recipe(BaseModel):
    """One training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    text_encoder: str = "minilm-l6-v2-defined"
    blend: bool = True
    """Prompts are blended of the phrases trained on (``Neighbours``), where the FiLM head learns."""
    vocabulary: Path | None = None
    """TOML of synonyms and kinds for the labels; the one that ships with rtsep by default."""
    train: tuple[Literal["codec.encoder", "codec.decoder", "codec.quantizer", "masker", "film_head"], ...]
    """Modules that learn; the others stay as they are."""
    steps: PositiveInt
    codec_weights: str | None = None
    """Codec to start with, by name ('rtsep bundles pull dac-16k') or folder."""
    optimizer: Literal["adamw", "muon", "sgd"] = "adamw"
    """Muon (Jordan et al. 2024) turns the matrices between a network's ends, AdamW all else, at one rate (Liu
    et al. 2025, section 2.2). Plain gradient steps are for codebooks alone, whose gradient is to scale."""
    learning_rate: PositiveFloat = 1e-3
    betas: tuple[Share, Share] = (0.9, 0.98)
    """AdamW's."""
    warm_up: NonNegativeInt = 200
    decay: float = Field(default=1.0, ge=0, le=1)
    """Share of the steps, at the end, over which the learning rate falls to zero."""
    weight_decay: NonNegativeFloat = 0.01
    clip_norm: PositiveFloat = 1.0
    average: Share = 0.998
    """Decay of the exponential moving average of the weights, which is what is saved as the bundle."""
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    save_every: PositiveInt = 200
    validate_every: NonNegativeInt = 0
    codec: AnyCodecConfig = CodecConfig()
    masker: AnyMaskerConfig = MaskerConfig()
    mixing: MixingConfig = MixingConfig()
    loss: LossConfig = LossConfig()

    @model_validator(mode="after")
    def _learns(self) -> Recipe:
        loss = self.loss
        separated = loss.separation or loss.si_sdr
        whole = loss.reconstruction or loss.spectrum or separated
        reached = {
            "codec.encoder": whole or loss.codes,
            "codec.decoder": whole,
            "codec.quantizer": loss.codes,
            "masker": separated,
            "film_head": separated,
        }
        if not self.train:
            raise ValueError(f"nothing learns: name some of {', '.join(reached)} in 'train'")
        for name in self.train:
            if not reached[name]:
                raise ValueError(f"{name} is to learn, but no loss with a weight reaches it")
        return self


def read_recipe(name: str) -> Recipe:
    """Read a recipe by the name of one that ships with rtsep, or by path.

    A recipe that says ``like = "NAME"`` is another one but for what it says itself.

    Raises:
        ConfigError: there is none, it is no TOML, or a key is unknown or out of range.
    """
    path, table = _read(name)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        allowed = ", ".join(Recipe.model_fields)
        hint = (
            f" (keys here: {allowed})"
            if first["type"] == "extra_forbidden" and len(first["loc"]) == 1
            else ""
        )
        raise ConfigError(f"{path}: {fault_of(error)}{hint}") from error


def _read(name: str, before: tuple[Path, ...] = ()) -> tuple[Path, dict[str, Any]]:
    """Where a recipe lies and what it says, with what it takes from the one that it is like."""
    shipped = RECIPES / f"{name}.toml"
    path = shipped if shipped.is_file() else Path(name)
    if path in before:
        raise ConfigError(f"{path} is like itself: name another recipe in 'like'")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        have = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise ConfigError(f"no recipe {name!r}: have {have}, or give a TOML file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    like = table.pop("like", None)
    return path, table if like is None else _merged(_read(str(like), (*before, path))[1], table)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A table with what another says instead; tables of codec, masker, mixing and loss are merged too."""
    tables = [
        key for key, value in over.items() if isinstance(value, dict) and isinstance(base.get(key), dict)
    ]
    inner = {key: base[key] | over[key] for key in tables}
    return base | over | inner
