"""Published weights: which there are, where they lie, and how they come in, by network or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from platformdirs import user_cache_path

from rtsep.errors import BundleError
from rtsep.models.clap import clap_weights, import_clap
from rtsep.models.codec_store import save_codec
from rtsep.models.dac_weights import dac_codec, read_checkpoint
from rtsep.models.download import checksum, download

RELEASES = "https://github.com/descriptinc/descript-audio-codec/releases/download"


class Published(NamedTuple):
    """One file of published weights."""

    url: str
    """Where the package itself fetches it."""
    sha256: str
    """As several public projects, which fetched it, have pinned it; the authors have published none."""
    sample_rate: int
    hop: int


PUBLISHED = {
    "dac-16k": Published(
        f"{RELEASES}/0.0.5/weights_16khz.pth",
        "95ab7176b67137d4d4c6c54b8d6ef3cea797faec228cb03ad084badcad570b4d",
        16_000,
        320,
    ),
    "dac-24k": Published(
        f"{RELEASES}/0.0.4/weights_24khz.pth",
        "44bad592fc393e03eb0be7a5120b7d487fe9612fa41269dc03fca3d4b87e20ad",
        24_000,
        320,
    ),
    "dac-44k": Published(
        f"{RELEASES}/0.0.1/weights.pth",
        "a88eed82a7024ccc1facdb1e605c4c2f99281c8118c22c9895ffa846d8fb61aa",
        44_100,
        512,
    ),
}
"""The DAC package's weights at 8 kbit/s, by our names."""


def pull(name: str, *, url: str | None = None, sha256: str | None = None) -> Path:
    """Fetch published weights, check them, and keep them as a codec.

    Args:
        name: a key of ``PUBLISHED``.
        url: another place to fetch the same file from, such as a mirror.
        sha256: checksum to hold it against, instead of the one known.

    Returns:
        The folder of the codec.

    Raises:
        BundleError: there is nothing of that name, it cannot be fetched, or is not what it should be.
    """
    if name not in PUBLISHED:
        raise BundleError(f"nothing is published as {name!r}: have {', '.join(PUBLISHED)}")
    published = PUBLISHED[name]
    url, wanted = url or published.url, (sha256 or published.sha256).lower()
    partial = user_cache_path("rtsep") / "downloads" / f"{name}.part"
    download(url, partial)
    found = checksum(partial)
    try:
        if found != wanted:
            raise BundleError(
                f"{url} has the SHA-256 {found}, not {wanted}: thrown away; try again, or a mirror"
            )
        codec = dac_codec(read_checkpoint(partial), url)
        shape = codec.config.sample_rate, codec.config.hop
        if shape != (published.sample_rate, published.hop):
            raise BundleError(
                f"{url} is of {shape[0]} Hz and hop {shape[1]}, {name} of {published.sample_rate} Hz and hop "
                f"{published.hop}: thrown away"
            )
        return save_codec(name, codec, source=url, sha256=found)
    finally:
        partial.unlink(missing_ok=True)


def import_file(
    file: Path,
    name: str | None = None,
    *,
    padding: Literal["ceil", "floor"] = "ceil",
    tokenizer: Path | None = None,
) -> Path:
    """Take published weights from a local file: of the DAC package, or the text branch of LAION's CLAP.

    Args:
        file: as the package saves it.
        name: what to call it; by default that of the published one that it looks like.
        padding: of a codec's decoder, see ``DacConfig.decoder_padding``.
        tokenizer: folder with RoBERTa's tokenizer, for CLAP.

    Returns:
        The folder of the codec, or of the text encoder.

    Raises:
        BundleError: the file is not what it should be.
    """
    checkpoint = read_checkpoint(file)
    clap = clap_weights(checkpoint)
    if clap is not None:
        return import_clap(clap, str(file), tokenizer, name)
    codec = dac_codec(checkpoint, str(file), padding)
    shape = codec.config.sample_rate, codec.config.hop
    known = {(entry.sample_rate, entry.hop): key for key, entry in PUBLISHED.items()}
    if name is None and shape not in known:
        raise BundleError(
            f"{file} is of {shape[0]} Hz and hop {shape[1]}, which no published one is: give it a --name"
        )
    return save_codec(name or known[shape], codec, source=str(file.absolute()), sha256=checksum(file))
