"""Codecs without a masker, such as the published DAC: kept beside the bundles, to train a masker on.

::

    codec.json           StoredCodec: shape, where the weights came from, their checksum
    weights.safetensors  single precision, as published
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rtsep.errors import BundleError
from rtsep.models.codec import AnyCodecConfig, Codec
from rtsep.models.kinds import fault_of

CONFIG, WEIGHTS = "codec.json", "weights.safetensors"


class StoredCodec(BaseModel):
    """What ``codec.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: AnyCodecConfig
    source: str
    """Address or file that the weights came from."""
    sha256: str
    """Checksum of that file."""

    @property
    def latency_ms(self) -> float:
        """Hop and lookahead."""
        return 1000 * (self.codec.hop + self.codec.lookahead) / self.codec.sample_rate


def codec_folders() -> dict[str, Path]:
    """Every codec that can be named, by name."""
    own = user_data_path("rtsep") / "codecs"
    return {config.parent.name: config.parent for config in sorted(own.glob(f"*/{CONFIG}"))}


def read_codec(name: str) -> tuple[Path, StoredCodec]:
    """The folder of a codec, by name or path, and what is in it.

    Raises:
        BundleError: there is none, or its description is damaged.
    """
    folder = codec_folders().get(name, Path(name).expanduser())
    try:
        return folder, StoredCodec.model_validate_json((folder / CONFIG).read_bytes())
    except OSError as error:
        raise BundleError(
            f"no codec {name!r}: 'rtsep bundles pull {name}' fetches it, where it is a published one; "
            "'rtsep bundles import FILE' takes a file"
        ) from error
    except ValidationError as error:
        raise BundleError(f"{folder / CONFIG}: {fault_of(error)}") from error


def load_codec(name: str) -> Codec:
    """A codec by name or path, ready for inference on the CPU in float32.

    Raises:
        BundleError: there is none, or its weights are damaged or another's.
    """
    folder, stored = read_codec(name)
    codec = Codec(stored.codec)
    try:
        codec.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise BundleError(f"cannot read {folder / WEIGHTS}: {reason}; fetch it again") from error
    return codec.eval().requires_grad_(False)


def save_codec(name: str, codec: Codec, *, source: str, sha256: str) -> Path:
    """Keep a codec by a name, in place of one of that name; it is there whole or not at all.

    Returns:
        Its folder.

    Raises:
        BundleError: the name is none, or it cannot be written.
    """
    check_name(name)
    stored = StoredCodec(codec=codec.config, source=source, sha256=sha256)
    folder = user_data_path("rtsep") / "codecs" / name

    def write(new: Path) -> None:
        save_file({key: tensor.contiguous() for key, tensor in codec.state_dict().items()}, new / WEIGHTS)
        (new / CONFIG).write_text(stored.model_dump_json(indent=2) + "\n", encoding="utf-8")

    return write_whole(folder, write)


def check_name(name: str) -> None:
    """Whether something can be kept by a name.

    Raises:
        BundleError: it cannot.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise BundleError(f"{name!r} cannot be a name: letters, digits, dots, dashes and underscores can")


def write_whole(folder: Path, write: Callable[[Path], None]) -> Path:
    """Write a folder so that it is there whole or not at all; an old one of that name makes room.

    Raises:
        BundleError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as place:
            new = Path(place) / folder.name
            new.mkdir()
            write(new)
            shutil.rmtree(folder, ignore_errors=True)
            new.replace(folder)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"cannot write {folder}: {error}") from error
    return folder
