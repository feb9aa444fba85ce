"""CLAP's text branch: really loaded from LAION's layout, with its own words, away from audio."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import RobertaConfig, RobertaModel
from transformers.models.roberta.tokenization_roberta import RobertaTokenizer

from rtsep.errors import BundleError
from rtsep.models.clap import VOCABULARY, Clap, clap_folder
from rtsep.models.published import import_file
from rtsep.models.text import embed
from rtsep.models.text_process import EncoderProcess, _answer

PHRASES = ["dog barking", "rain", "a violin plays a slow melody, far away"]


class TextBranch(nn.Module):
    """What laion_clap builds of its text branch: RoBERTa with its pooler, and two layers behind it."""

    def __init__(self) -> None:
        super().__init__()
        shape = RobertaConfig(
            vocab_size=VOCABULARY,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=1,
            intermediate_size=96,
            max_position_embeddings=514,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            pad_token_id=1,
        )
        self.text_branch = RobertaModel(shape)
        self.text_projection = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512))

    def forward(self, tokens: Any) -> Tensor:
        pooled = self.text_branch(**tokens).pooler_output
        return nn.functional.normalize(self.text_projection(pooled), dim=-1)


@pytest.fixture(scope="module")
def package() -> TextBranch:
    torch.manual_seed(0)
    package = TextBranch()
    with torch.no_grad():
        for parameter in package.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return package.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of RoBERTa's kind and size, built here."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges = [("d", "o"), ("do", "g"), ("r", "a"), ("i", "n"), ("ra", "in")]
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *letters, *("".join(pair) for pair in merges)]
    vocabulary += [f"unused{number}" for number in range(VOCABULARY - len(vocabulary) - 1)] + ["<mask>"]
    folder = tmp_path_factory.mktemp("roberta")
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges))
    return folder


Checkpoint = Callable[..., Path]


@pytest.fixture
def checkpoint(package: TextBranch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """Write a checkpoint in LAION's layout, among folders of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def write(spoil: Callable[[dict[str, Tensor]], object] = lambda state: None, width: int = 128) -> Path:
        import numpy as np

        state = {f"module.{name}": tensor for name, tensor in package.state_dict().items()}
        state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
        state["module.audio_branch.patch_embed.proj.weight"] = torch.zeros(width, 1, 4, 4)
        state["module.logit_scale_a"] = torch.tensor(1.0)
        spoil(state)
        path = tmp_path / "checkpoint.pt"
        # Its trainer writes its best loss with it, a NumPy scalar, which a cautious unpickler stumbles over.
        torch.save({"epoch": 15, "name": "clap", "best": np.float64(0.9), "state_dict": state}, path)
        return path

    return write


@pytest.mark.parametrize(("name", "width"), [("clap-630k-audioset", 96), ("clap-music-speech", 128)])
def test_an_imported_checkpoint_embeds_as_the_package_does(
    checkpoint: Checkpoint, words: Path, package: TextBranch, name: str, width: int
) -> None:
    assert import_file(checkpoint(width=width), tokenizer=words) == clap_folder(name)
    tokenizer = RobertaTokenizer.from_pretrained(words)
    tokens = tokenizer(PHRASES, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    expected, found = package(tokens), Clap(name)(PHRASES)
    assert found.shape == (3, 512)
    assert (found - expected).abs().max() <= 1e-5
    assert (found[0] - found[1]).abs().max() > 1e-2


def test_no_network_is_asked(checkpoint: Checkpoint, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    import_file(checkpoint(), tokenizer=words)
    assert Clap("clap-music-speech")(PHRASES).isfinite().all()


def test_it_runs_in_a_process_of_its_own_which_ends_afterwards(
    checkpoint: Checkpoint, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(checkpoint(), tokenizer=words)
    alone = Clap("clap-music-speech")(PHRASES)
    ended: list[EncoderProcess] = []
    close = EncoderProcess.close

    def remember(process: EncoderProcess) -> None:
        close(process)
        ended.append(process)

    monkeypatch.setattr(EncoderProcess, "close", remember)
    assert (embed("clap-music-speech", PHRASES) - alone).abs().max() <= 1e-5
    assert len(ended) == 1 and not ended[0]._process.is_alive()


def test_why_it_cannot_be_loaded_comes_back_from_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    ours, theirs = Pipe()
    ours.send(["rain"])
    _answer("clap-630k-audioset", theirs)
    answer = ours.recv()
    assert isinstance(answer, BundleError)
    assert "clap-630k-audioset is not there: 'rtsep bundles import" in str(answer)


def test_an_empty_tokenizer_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        BundleError, match=r"empty.*(vocabulary of \d+ words, RoBERTa's has 50265|no tokenizer)"
    ):
        import_file(checkpoint(), tokenizer=tmp_path / "empty")
    assert not (tmp_path / "data").exists()


def test_a_tokenizer_that_has_lost_its_words_since_is_refused(
    checkpoint: Checkpoint, words: Path, tmp_path: Path
) -> None:
    folder = import_file(checkpoint(), tokenizer=words)
    for file in folder.iterdir():
        if file.name not in {"config.json", "model.safetensors"}:
            file.unlink()
    with pytest.raises(BundleError, match=r"vocabulary of|no tokenizer"):
        Clap("clap-music-speech")


def without(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.pop(f"module.{name}")


SPOILT = [
    (without("text_projection.2.bias"), "text_projection.2.bias is missing"),
    (without("text_branch.encoder.layer.1.output.dense.bias"), "layer.1.output.dense.bias is missing"),
    (
        without("text_branch.encoder.layer.0.intermediate.dense.weight"),
        "intermediate.dense.weight is missing",
    ),
    (without("audio_branch.patch_embed.proj.weight"), "--name"),
    (lambda state: state.update({"module.text_branch.more": torch.zeros(1)}), "more is not part"),
    (lambda state: state["module.text_projection.0.bias"].fill_(torch.nan), "not finite"),
    (
        lambda state: state.update(
            {"module.text_branch.embeddings.word_embeddings.weight": torch.zeros(30_522, 64)}
        ),
        "30522 words",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT, ids=[said for _, said in SPOILT])
def test_a_checkpoint_that_is_not_all_there_is_named_and_leaves_nothing(
    checkpoint: Checkpoint, words: Path, tmp_path: Path, spoil: Callable[[Any], object], said: str
) -> None:
    def on_copies(state: dict[str, Tensor]) -> None:
        state.update({name: tensor.clone() for name, tensor in state.items()})
        spoil(state)

    with pytest.raises(BundleError) as refused:
        import_file(checkpoint(on_copies), tokenizer=words)
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "data").exists()


def test_a_tokenizer_must_be_given_and_the_name_be_one_that_bundles_know(
    checkpoint: Checkpoint, words: Path
) -> None:
    with pytest.raises(BundleError, match=r"--tokenizer"):
        import_file(checkpoint())
    with pytest.raises(BundleError, match="clap-630k-audioset, clap-music-speech"):
        import_file(checkpoint(), "my-clap", tokenizer=words)


def test_damaged_weights_are_named_when_loaded(checkpoint: Checkpoint, words: Path) -> None:
    folder = import_file(checkpoint(), tokenizer=words)
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(BundleError, match="is damaged"):
        Clap("clap-music-speech")
