"""``rtsep codes``: sound to codes, codes to sound, codes to codes; any length, aligned to the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from rtsep.audio.contract import Samples
from rtsep.audio.file import AudioSink, AudioSource, same_file
from rtsep.audio.pipe import PipeClosed
from rtsep.audio.resample import Ratio, Resampler
from rtsep.control import Console
from rtsep.errors import CodeError, CommandError
from rtsep.models.bundle import Bundle, load_bundle
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import LOWEST_RATE, cleaned
from rtsep.serve.container import HIGHEST_RATE, CodeReader, CodeWriter, FileEnd, FileHeader
from rtsep.serve.format import CodeFormat, Frames
from rtsep.serve.service import Service
from rtsep.serve.session import code_condition

Editor = Callable[[CodeFormat, Iterable[Frames]], Iterator[Frames]]
"""Edits a stream of codes, frame by frame, numbers kept."""

_BLOCK_FRAMES = 100
"""Encoded or decoded at once: a second, which bounds the memory."""


def encode_file(source: str, target: Path, bundle_name: str, codebooks: int | None = None) -> FileHeader:
    """Write the codes of a sound file.

    Raises:
        RtsepError: a file or the bundle cannot be used.
    """
    _apart(source, target)
    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    with AudioSource(source) as audio:
        if audio.channels > 2:
            raise CodeError(f"{source} has {audio.channels} channels: codes are of 1 or 2")
        if not LOWEST_RATE <= audio.sample_rate <= HIGHEST_RATE:
            known = f"{LOWEST_RATE} to {HIGHEST_RATE} Hz"
            raise CodeError(f"{source} has {audio.sample_rate} Hz: codes are of sound of {known}")
        format = CodeFormat.of(bundle, codebooks, audio.channels)
        header = FileHeader(format=format, sound_rate=audio.sample_rate)
        with CodeWriter(target, header) as writer:
            lengths: list[int] = []
            blocks = _told(audio.blocks(audio.sample_rate), lengths)
            for frames in encode(bundle, format, audio.sample_rate, blocks):
                writer.write(frames)
            writer.finish(FileEnd(samples=sum(lengths)))
    return header


def _apart(source: str | Path, target: str | Path) -> None:
    if same_file(source, target):
        raise CodeError(f"{target} is what is read: name another file to write")


def _told(blocks: Iterable[Samples], lengths: list[int]) -> Iterator[Samples]:
    """The blocks, whose lengths are written down on the way."""
    for block in blocks:
        lengths.append(len(block))
        yield block


@torch.inference_mode()
def encode(
    bundle: Bundle, format: CodeFormat, sound_rate: int, blocks: Iterable[Samples]
) -> Iterator[Frames]:
    """Blocks (n, channels) of sound to frames, as many as give the whole sound back."""
    codec, channels = bundle.separator.codec, format.channels
    state, coding = codec.encoder.initial_state(channels), codec.quantizer.initial_state(channels)[0]
    number = 0
    for wave in _hops(format, sound_rate, blocks):
        latent, state = codec.encode(torch.from_numpy(wave.T.copy())[:, None], state)
        codes, coding = codec.quantizer.encode(latent, coding, format.codebooks)
        frames = Frames(number, codes.permute(2, 0, 1).numpy())
        yield frames
        number += len(frames.codes)


def _hops(format: CodeFormat, sound_rate: int, blocks: Iterable[Samples]) -> Iterator[Samples]:
    """The sound at the model's rate in whole hops, with the silence that pushes the rest of it out."""
    down = Resampler(sound_rate, format.sample_rate, format.channels)
    up = Ratio.between(format.sample_rate, sound_rate)
    waiting = np.zeros((0, format.channels), np.float32)
    most, heard, given = _BLOCK_FRAMES * format.hop, 0, 0
    for block in blocks:
        heard += len(block)
        waiting = np.concatenate([waiting, down.push(cleaned(block)[0])])
        while ready := min(len(waiting), most) // format.hop * format.hop:
            yield waiting[:ready]
            waiting, given = waiting[ready:], given + ready
    wanted = format.lookahead + up.needed(heard)
    silence = np.zeros((sound_rate // 10, format.channels), np.float32)
    while heard and given < wanted:
        waiting = np.concatenate([waiting, down.push(silence)])
        ready = min(len(waiting), -(-(wanted - given) // format.hop) * format.hop) // format.hop * format.hop
        yield waiting[:ready]
        waiting, given = waiting[ready:], given + ready


def decode_file(source: Path, target: str, bundle_name: str | None = None) -> FileHeader:
    """Write the sound of a file of codes, as long as the one that was encoded and at its rate.

    Raises:
        RtsepError: a file or the bundle cannot be used.
    """
    _apart(source, target)
    torch.set_num_threads(1)
    with CodeReader(source) as reader:
        header = reader.header
        bundle = load_bundle(bundle_name or header.format.bundle)
        header.format.check(bundle)
        left = reader.end.samples
        rate, channels = header.sound_rate, header.format.channels
        # A reader of stdout may have had enough.
        with suppress(PipeClosed), AudioSink(target, rate, channels, length=left) as sink:
            for sound in decode(bundle, header.format, rate, reader.frames()):
                sink.write(sound[:left])
                left -= min(left, len(sound))
    return header


@torch.inference_mode()
def decode(
    bundle: Bundle, format: CodeFormat, sound_rate: int, stream: Iterable[Frames]
) -> Iterator[Samples]:
    """Frames that follow each other to blocks (n, channels) of sound."""
    codec = bundle.separator.codec
    state = codec.initial_hearing(format.channels)
    up = Resampler(format.sample_rate, sound_rate, format.channels)
    early = format.lookahead
    for frames in stream:
        codes = torch.from_numpy(frames.codes).permute(1, 2, 0)
        wave, state = codec.hear(codes, state)
        sound = wave[:, 0].T.numpy()
        skipped = min(early, len(sound))
        early -= skipped
        yield up.push(np.ascontiguousarray(sound[skipped:]))


def separate_file(source: Path, target: Path, console: Console, bundle_name: str | None = None) -> FileHeader:
    """Edit a file of codes into another.

    Raises:
        RtsepError: a file, the bundle or a prompt cannot be used.
    """
    if not console.used:
        raise CommandError("no prompt: name a sound to keep (--prompt) or one to remove (--remove)")
    _apart(source, target)
    torch.set_num_threads(1)
    with CodeReader(source) as reader:
        bundle = load_bundle(bundle_name or reader.header.format.bundle)
        with CodeWriter(target, reader.header) as writer:
            for frames in edit(bundle, reader.header.format, console, reader.frames()):
                writer.write(frames)
            writer.finish(reader.end)
    return reader.header


def edit(bundle: Bundle, format: CodeFormat, console: Console, stream: Iterable[Frames]) -> Iterator[Frames]:
    """Frames to edited frames, one by one, as a server does it.

    Raises:
        RtsepError: the codes are another model's, or a prompt cannot be understood.
    """
    parameters = bundle.separator.film_head.out.out_features
    service = Service(bundle)
    session = service.open(0, format, code_condition(console, FilmCache(bundle), parameters))
    for frames in stream:
        session.put(frames)
        done = [edited.frames for _ in frames.codes for edited in service.tick()]
        yield Frames(frames.number, np.concatenate([each.codes for each in done]))
