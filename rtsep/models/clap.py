"""The text branch of LAION's CLAP (Wu et al. 2023), from the user's own files: no network, nothing unpickled.

``rtsep bundles import CHECKPOINT --tokenizer FOLDER`` takes the text branch out of a checkpoint, 500 MB of
2.35 GB, and keeps it beside the bundles with the RoBERTa tokenizer that belongs to it::

    config.json          shape of the branch
    model.safetensors    its weights, single precision
    tokenizer.json ...   RoBERTa's tokenizer
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_data_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rtsep.errors import BundleError
from rtsep.models.codec_store import check_name, write_whole

CLAPS = {"clap-630k-audioset": 96, "clap-music-speech": 128}
"""By our names the checkpoints whose text branch can be used, and how wide the first layer of the audio
branch beside it is, which tells them apart: HTSAT-tiny and HTSAT-base."""

VOCABULARY = 50_265
LONGEST = 77
"""Tokens, as in training."""
_HEAD_WIDTH = 64
_SHAPE, _WEIGHTS = "config.json", "model.safetensors"
_WORDS = "text_branch.embeddings.word_embeddings.weight"
_BUFFERS = {"text_branch.embeddings.position_ids", "text_branch.embeddings.token_type_ids"}


class Clap:
    """A text branch with its projection, imported before.

    About 700 MB while it is loaded.

    Args:
        name: a key of ``CLAPS``.

    Raises:
        BundleError: it was not imported, or is damaged.
    """

    dim = 512

    def __init__(self, name: str) -> None:
        from transformers.utils import logging

        logging.disable_progress_bar()  # it would draw over the status line
        folder = clap_folder(name)
        if not (folder / _SHAPE).is_file():
            raise BundleError(
                f"the text encoder {name} is not there: 'rtsep bundles import CHECKPOINT --tokenizer FOLDER' "
                "takes it from LAION's file and a folder with RoBERTa's tokenizer"
            )
        self._tokenizer = read_tokenizer(folder)
        try:
            self._model = _model(json.loads((folder / _SHAPE).read_bytes()))
            self._model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
            raise BundleError(
                f"{folder} is damaged ({str(error).splitlines()[0]}): import it again"
            ) from error

    @torch.inference_mode()
    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, 512), each of unit length."""
        parts = [self._embed(phrases[start : start + 64]) for start in range(0, len(phrases), 64)]
        return torch.cat(parts).clone()

    def _embed(self, phrases: Sequence[str]) -> Tensor:
        tokens = self._tokenizer(
            list(phrases), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        found = self._model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        return torch.nn.functional.normalize(found.text_embeds, dim=-1)


def clap_folder(name: str) -> Path:
    """Where an imported text branch lies."""
    return user_data_path("rtsep") / "text" / name


def read_tokenizer(folder: Path) -> Any:
    """RoBERTa's tokenizer from a folder.

    Raises:
        BundleError: there is none, or another one. Without its files it would be empty and say nothing, and
            every prompt would get one and the same embedding.
    """
    from transformers import RobertaTokenizer

    try:
        tokenizer = RobertaTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises its own, without a common base
        raise BundleError(f"no tokenizer of RoBERTa in {folder} ({type(error).__name__})") from error
    if len(tokenizer) != VOCABULARY:
        raise BundleError(
            f"{folder}: vocabulary of {len(tokenizer)} words, RoBERTa's has {VOCABULARY}: give the folder "
            "with its vocab.json and merges.txt"
        )
    ends = (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    if ends != (0, 1, 2):
        raise BundleError(f"{folder}: begin, padding and end are tokens {ends}, RoBERTa's are (0, 1, 2)")
    return tokenizer


def clap_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The tensors of a checkpoint of LAION's CLAP, without parallel training's prefix; None of another."""
    weights = checkpoint.get("state_dict", checkpoint)
    if not isinstance(weights, Mapping):
        return None
    plain = {str(name).removeprefix("module."): tensor for name, tensor in weights.items()}
    return plain if _WORDS in plain else None


def import_clap(weights: Mapping[str, Tensor], source: str, tokenizer: Path | None, name: str | None) -> Path:
    """Keep the text branch of a checkpoint.

    Args:
        weights: from ``clap_weights``.
        source: where they came from, for messages.
        tokenizer: folder with RoBERTa's tokenizer.
        name: a key of ``CLAPS``; by default the one whose audio branch is as wide.

    Returns:
        The folder of the text encoder.

    Raises:
        BundleError: a tensor is missing, of another shape or not finite, or the tokenizer is another.
    """
    if tokenizer is None:
        raise BundleError(f"{source} is a CLAP: give the folder of RoBERTa's tokenizer with --tokenizer")
    name = name or _name(weights, source)
    if name not in CLAPS:
        raise BundleError(f"a CLAP cannot be called {name!r}: bundles know {', '.join(CLAPS)}")
    check_name(name)
    words = read_tokenizer(tokenizer)
    branch = {key: tensor for key, tensor in weights.items() if key.startswith("text_branch.")}
    shape = _shape(branch, source)
    model = _model(shape)
    state = _mapped(weights, model.state_dict(), source)

    def write(folder: Path) -> None:
        save_file(state, folder / _WEIGHTS)
        words.save_pretrained(folder)
        (folder / _SHAPE).write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")

    return write_whole(clap_folder(name), write)


def _name(weights: Mapping[str, Tensor], source: str) -> str:
    first = weights.get("audio_branch.patch_embed.proj.weight")
    width = None if first is None else len(first)
    for name, known in CLAPS.items():
        if width == known:
            return name
    raise BundleError(f"{source}: its audio branch does not tell which CLAP it is: give it a --name")


def _shape(branch: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """What the tensors say of the branch: RoBERTa, of any size, with heads of 64."""
    try:
        words, width = branch[_WORDS].shape
        layers = {key.split(".")[3] for key in branch if key.startswith("text_branch.encoder.layer.")}
        feed_forward = len(branch["text_branch.encoder.layer.0.intermediate.dense.weight"])
        positions = len(branch["text_branch.embeddings.position_embeddings.weight"])
    except KeyError as error:
        raise BundleError(f"{source}: tensor {error.args[0]} is missing") from error
    if words != VOCABULARY:
        raise BundleError(f"{source}: embeddings of {words} words, RoBERTa's vocabulary has {VOCABULARY}")
    return {
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // _HEAD_WIDTH,
        "intermediate_size": feed_forward,
        "max_position_embeddings": positions,
    }


def _model(shape: dict[str, Any]) -> Any:
    """The text branch with random weights, for inference."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    # RoBERTa's epsilon: the default of transformers' CLAP is another, and every embedding a little off.
    return ClapTextModelWithProjection(ClapTextConfig(layer_norm_eps=1e-5, **shape)).eval()


def _mapped(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Our names for LAION's tensors, every one of them there and of the right shape."""
    found = {key: tensor for key, tensor in wanted.items() if key.endswith("_ids")}
    for key in wanted.keys() - found.keys():
        theirs = key.replace("text_model.", "text_branch.")
        theirs = theirs.replace("linear1", "0").replace("linear2", "2")
        if theirs not in weights:
            raise BundleError(f"{source}: tensor {theirs} is missing")
        tensor = weights[theirs]
        if tensor.shape != wanted[key].shape or not tensor.isfinite().all():
            raise BundleError(
                f"{source}: tensor {theirs} has shape {tuple(tensor.shape)}, not "
                f"{tuple(wanted[key].shape)}, or holds values that are not finite"
            )
        found[key] = tensor.float().contiguous()
    known = {key.replace("text_model.", "text_branch.") for key in wanted} | _BUFFERS
    if extra := {key for key in weights if key.startswith("text_branch.")} - known:
        raise BundleError(f"{source}: tensor {min(extra)} is not part of CLAP's text branch")
    return found
