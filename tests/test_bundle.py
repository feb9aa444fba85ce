"""Bundles: what was saved is loaded, and what is damaged is named in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from builders import CODEC, tiny_separator, write_bundle
from safetensors.torch import load_file, save_file

from rtsep.errors import BundleError
from rtsep.models import bundle as bundles
from rtsep.models.bundle import CARD, CONFIG, WEIGHTS, load_bundle, read_config

NAME = "masker.leave.weight"
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny")


def test_what_was_prepared_of_other_weights_goes_when_a_bundle_is_written_again(folder: Path) -> None:
    prepared = [folder / name for name in ("films.safetensors", "step.onnx", "codes-7.onnx")]
    for path in prepared:
        path.touch()
    write_bundle(folder)
    assert not any(path.exists() for path in prepared)
    assert load_bundle(str(folder)).films is None


def message(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(str(folder))
    text = str(caught.value)
    assert "\n" not in text
    return text


def edit_weights(folder: Path, change: Callable[[Tensors], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        part = config
        for parent in parents:
            part = part[parent]
        part[last] = value
    (folder / CONFIG).write_text(json.dumps(config))


def test_what_was_saved_is_loaded_in_half_precision(folder: Path) -> None:
    saved, loaded = tiny_separator(), load_bundle(str(folder))
    assert loaded.config.codec == CODEC
    assert loaded.name == "tiny"
    assert (folder / CARD).read_text().startswith("# ")
    found = loaded.separator.state_dict()
    for name, tensor in saved.state_dict().items():
        assert torch.equal(found[name], tensor.half().float()), name
    assert not loaded.separator.training
    assert not any(parameter.requires_grad for parameter in loaded.separator.parameters())
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert {tensor.dtype for tensor in load_file(folder / WEIGHTS).values()} == {torch.float16}


def test_the_fingerprint_tells_weights_and_shape_apart(folder: Path, tmp_path: Path) -> None:
    first = load_bundle(str(folder)).fingerprint
    assert load_bundle(str(write_bundle(tmp_path / "same"))).fingerprint == first
    assert load_bundle(str(write_bundle(tmp_path / "other", tiny_separator(seed=1)))).fingerprint != first
    edit_config(folder, text_encoder="another")
    assert load_bundle(str(folder)).fingerprint != first


def test_a_mismatch_names_the_tensor_and_both_shapes(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update({NAME: torch.zeros(3, 5)}))
    shape = tuple(tiny_separator().masker.leave.weight.shape)
    assert f"tensor {NAME} has shape (3, 5), the configuration asks for {shape}" in message(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.pop(NAME))
    assert f"tensor {NAME} of shape" in message(folder)


def test_a_tensor_too_many_is_named(folder: Path) -> None:
    edit_weights(folder, lambda tensors: tensors.update(surplus=torch.zeros(2)))
    assert "tensor surplus is not part of the configured model" in message(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    edit_weights(folder, lambda tensors: tensors[NAME][0].fill_(value))
    assert f"tensor {NAME} holds values that are not finite" in message(folder)


@pytest.mark.parametrize("length", [0, 5, 100, 5000])
def test_a_truncated_file_is_refused(folder: Path, length: int) -> None:
    weights = (folder / WEIGHTS).read_bytes()
    assert len(weights) > length
    (folder / WEIGHTS).write_bytes(weights[:length])
    assert f"cannot read {folder / WEIGHTS}" in message(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert f"cannot read {folder / WEIGHTS}" in message(folder)


def test_a_pickle_is_never_opened(folder: Path) -> None:
    torch.save(tiny_separator().state_dict(), folder / WEIGHTS)
    assert "cannot read" in message(folder)


def test_an_unknown_key_is_named(folder: Path) -> None:
    edit_config(folder, codec__hops=240)
    assert f"{folder / CONFIG}: codec.hops: Extra inputs are not permitted" in message(folder)


def test_a_value_out_of_range_is_named(folder: Path) -> None:
    edit_config(folder, masker__layers=-1)
    assert f"{folder / CONFIG}: masker.layers: Input should be greater than 0" in message(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}", b'{"description": "x"}'])
def test_a_configuration_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / CONFIG).write_bytes(content)
    assert str(folder / CONFIG) in message(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("codec__stem_overlap", 17),
        ("codec__stem_kernel", 63),
        ("masker__heads", 3),
        ("masker__group", 3),
        ("masker__window", 4000),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(folder: Path, key: str, value: int) -> None:
    edit_config(folder, **{key: value})
    assert str(folder) in message(folder)


def test_an_unknown_bundle_lists_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "user_data_path", lambda name: tmp_path)
    write_bundle(tmp_path / "bundles" / "mine")
    write_bundle(tmp_path / "bundles" / "yours")
    text = message(Path("nosuch"))
    assert text.startswith("no bundle 'nosuch': have ")
    assert {"mine", "yours"} <= set(text.split("have ")[1].split(", or give")[0].split(", "))
    assert load_bundle("mine").name == "mine"


def test_the_configuration_alone_can_be_read_without_the_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert read_config(folder).codec.hop == CODEC.hop
