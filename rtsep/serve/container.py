"""Code streams in files: a header, records, an end. The layout is in docs/codes.md."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, TypeVar
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtsep.errors import CodeError
from rtsep.models.kinds import fault_of
from rtsep.serve.format import CodeFormat, Frames, pack, unpack

MAGIC = b"rtsc"
_RECORD = struct.Struct("<cII")
"""Kind, length, CRC-32."""
_HEADER, _FRAMES, _END = b"H", b"F", b"E"
_LONGEST_RECORD = 1 << 20

HIGHEST_RATE = 768_000
"""Hz, of sound that is encoded."""

_Model = TypeVar("_Model", bound=BaseModel)


class FileHeader(BaseModel):
    """What a file of codes begins with."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["rtsep codes"] = "rtsep codes"
    format: CodeFormat
    sound_rate: int = Field(gt=0, le=HIGHEST_RATE)
    """Sample rate of the sound that was encoded, and that decoding gives back."""


class FileEnd(BaseModel):
    """What it ends with."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    samples: int = Field(ge=0)
    """Length of that sound."""


class CodeWriter:
    """Writes a file of codes; a context manager. Only what is finished gets its name: until then, and after a
    fault, there is nothing under it.

    Raises:
        CodeError: the file cannot be made.
    """

    def __init__(self, path: Path, header: FileHeader) -> None:
        self._path, self._partial, self._format = path, path.with_name(path.name + ".part"), header.format
        self._end: FileEnd | None = None
        if path.is_dir():
            raise CodeError(f"cannot write {path}: it is a folder, name a file in it")
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise CodeError(f"cannot write {path} ({error.strerror}): name another file") from error
        self._put(MAGIC)
        self._record(_HEADER, header.model_dump_json().encode())

    def write(self, frames: Frames) -> None:
        """Append frames.

        Raises:
            CodeError: the disk is full.
        """
        self._record(_FRAMES, pack(self._format, frames))

    def finish(self, end: FileEnd) -> None:
        """Say how long the sound was; what makes the file whole."""
        self._record(_END, end.model_dump_json().encode())
        self._end = end

    def _record(self, kind: bytes, data: bytes) -> None:
        self._put(_RECORD.pack(kind, len(data), crc32(data)) + data)

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._cut_off(error) from error

    def _cut_off(self, error: OSError) -> CodeError:
        return CodeError(f"cannot go on writing {self._path} ({error.strerror}): make room")

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give a finished file its name, and take away any other.

        Raises:
            CodeError: the disk is full.
        """
        try:
            self._file.close()  # which writes what is buffered
            if error is None and self._end is not None:
                self._partial.replace(self._path)
        except OSError as fault:
            if error is None:
                raise self._cut_off(fault) from fault
        finally:
            self._partial.unlink(missing_ok=True)


class CodeReader:
    """Reads a file of codes; a context manager. It is read once through at the start, so that what is
    damaged is refused before anything is made of it.

    Raises:
        CodeError: there is no such file, it is none of codes, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise CodeError(f"cannot read {path} ({error.strerror})") from error
        try:
            self.header = self._header()
            self._first = self._file.tell()
            self.end = self._checked()
        except CodeError:
            self._file.close()
            raise

    def frames(self) -> Iterator[Frames]:
        """Every record of frames, in order."""
        self._file.seek(self._first)
        while (record := self._record())[0] == _FRAMES:
            yield self._unpacked(record[1])

    def _header(self) -> FileHeader:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise CodeError(f"{self._path} is no file of codes: make one with 'rtsep codes encode'")
        kind, data = self._record()
        if kind != _HEADER:
            raise CodeError(f"{self._path} does not begin with a header: damaged, or too new")
        return self._parsed(FileHeader, data)

    def _checked(self) -> FileEnd:
        """Read everything; what the file ends with."""
        expected = 0
        while (record := self._record())[0] == _FRAMES:
            frames = self._unpacked(record[1])
            if frames.number != expected:
                raise CodeError(f"{self._path}: frame {frames.number} stands where frame {expected} should")
            expected += len(frames.codes)
        if record[0] != _END:
            raise CodeError(f"{self._path}: a record of an unknown kind {record[0]!r}: damaged, or too new")
        if self._file.read(1):
            raise CodeError(f"{self._path} goes on after its end: damaged")
        return self._parsed(FileEnd, record[1])

    def _record(self) -> tuple[bytes, bytes]:
        """The next record: its kind and what it holds."""
        kind, length, checksum = _RECORD.unpack(self._exactly(_RECORD.size))
        if length > _LONGEST_RECORD:
            raise CodeError(f"{self._path}: a record of {length} bytes, at most {_LONGEST_RECORD} are read")
        data = self._exactly(length)
        if crc32(data) != checksum:
            raise CodeError(f"{self._path} is damaged: a checksum is wrong; make or fetch it again")
        return kind, data

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise CodeError(f"{self._path} is truncated: it ends before its end; make or fetch it again")
        return data

    def _unpacked(self, data: bytes) -> Frames:
        try:
            return unpack(self.header.format, data)
        except CodeError as error:
            raise CodeError(f"{self._path}: {error}") from error

    def _parsed(self, kind: type[_Model], data: bytes) -> _Model:
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise CodeError(f"{self._path}: {fault_of(error, 'the text')}") from error

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()
