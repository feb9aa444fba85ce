"""The embedded text encoder knows what sounds alike in meaning, and what is no prompt is refused."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import torch

from rtsep.errors import BundleError, CommandError
from rtsep.models.text import LONGEST_PROMPT, MiniLM, TextEncoder, clean_prompt, embed


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return MiniLM()


@pytest.mark.parametrize(
    ("phrase", "near", "far"),
    [
        ("dog barking", "a barking dog", "rain on a roof"),
        ("speech", "a person talking", "engine idling"),
        ("piano", "someone plays the piano", "dog barking"),
        ("thunderstorm", "thunder and lightning", "keyboard typing"),
        ("female singing", "a woman sings", "chainsaw"),
    ],
)
def test_phrases_of_like_meaning_lie_nearer(encoder: TextEncoder, phrase: str, near: str, far: str) -> None:
    found = encoder([phrase, near, far])
    assert float(found[0] @ found[1]) > float(found[0] @ found[2]) + 0.2


def test_embeddings_are_of_unit_length_and_do_not_depend_on_their_company(encoder: TextEncoder) -> None:
    phrases = ["rain", "a very long description of a sound that is heard from far away " * 3, "dog"] * 30
    together = encoder(phrases)
    assert together.shape == (90, encoder.dim)
    assert torch.allclose(together.norm(dim=-1), torch.ones(90), atol=1e-5)
    assert torch.allclose(together[:2], torch.cat([encoder([phrase]) for phrase in phrases[:2]]), atol=1e-5)


def test_no_network_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert embed("minilm-l6-v2", ["wind"]).shape == (1, 384)


def test_an_unknown_encoder_lists_those_there_are() -> None:
    with pytest.raises(
        BundleError,
        match="unknown text encoder 'clap': this version has minilm-l6-v2, minilm-l6-v2-defined, clap-",
    ):
        embed("clap", ["x"])


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", " " * 10_000])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(CommandError, match="the prompt is empty: name a sound"):
        clean_prompt(prompt)


@pytest.mark.parametrize("length", [LONGEST_PROMPT + 1, 10_000])
def test_a_prompt_that_is_too_long_is_refused(length: int) -> None:
    with pytest.raises(CommandError, match=f"has {length} characters, at most {LONGEST_PROMPT}") as caught:
        clean_prompt("x" * length)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_case_and_spaces_do_not_matter() -> None:
    assert clean_prompt("  Dog \n  BARKING\t") == "dog barking"
    assert clean_prompt("x" * LONGEST_PROMPT) == "x" * LONGEST_PROMPT


def test_the_process_of_an_encoder_ends_even_where_it_is_born_deaf_to_a_signal() -> None:
    program = """
import signal
from rtsep.models.text_process import EncoderProcess
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which it inherits
    with EncoderProcess("minilm-l6-v2") as encoder:
        print(tuple(encoder("minilm-l6-v2", ["rain"]).shape))
    print("ended")
"""
    path = [sys.executable, "-c", program]
    done = subprocess.run(path, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["(1, 384)", "ended"]
