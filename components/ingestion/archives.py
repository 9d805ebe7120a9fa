"""Members of zip and tar archives as streams: nothing is unpacked to disk, a member's name is a label and never a path.

Archives in archives are left out.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO, Self, cast

from components.ingestion.decompression import Allowance, damage_explained, decompressed
from components.ingestion.records import FileError

_MAX_HEADER_BYTES = 1 << 16
_InvalidHeaderError = tarfile.InvalidHeaderError  # type: ignore[attr-defined]
_TruncatedHeaderError = tarfile.TruncatedHeaderError  # type: ignore[attr-defined]

# A member's name and its bytes, to be read before the next member is asked for.
Member = tuple[str, IO[bytes]]


def is_archive(name: str) -> bool:
    """Whether a name ends as an archive's does."""
    return name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.zst"))


def archive_members(name: str, raw: IO[bytes], size: int, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Regular files in an archive, in its order. Raises: FileError if it is damaged, encrypted or a bomb."""
    if name.lower().endswith(".zip"):
        yield from _zip_members(name, raw, is_wanted)
    else:
        yield from _tar_members(name, raw, size, is_wanted)


def _zip_members(name: str, raw: IO[bytes], is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    with damage_explained(name, "zip archive"):
        archive = zipfile.ZipFile(raw)
        infos = archive.infolist()
    for info in infos:
        if info.is_dir() or not is_wanted(info.filename):
            continue
        if info.flag_bits & 1:
            raise FileError(f"{name}: its members are encrypted; unpack it and name the folder")
        with damage_explained(name, "zip archive"):
            member = archive.open(info)
        with member:
            yield info.filename, member


def _tar_members(name: str, raw: IO[bytes], size: int, is_wanted: Callable[[str], bool]) -> Iterator[Member]:
    with ExitStack() as stack:
        with damage_explained(name, "tar archive"):
            plain = stack.enter_context(decompressed(name, raw, Allowance(name, size)))
            archive = stack.enter_context(tarfile.open(fileobj=plain, mode="r|", tarinfo=_CautiousInfo))
        while True:
            with damage_explained(name, "tar archive"):
                info = archive.next()
                archive.members = []  # type: ignore[attr-defined]  # else every header that was read stays in memory
            if info is None:
                return
            if not info.isreg() or not is_wanted(info.name):
                continue
            member = archive.extractfile(info)
            if member is not None:
                yield info.name, member


class _CautiousInfo(tarfile.TarInfo):
    """Headers as Python reads them, less three of its habits.

    A damaged header after the first is an error, not the silent end of the archive. A negative size would lead back to
    where the reader already was, for ever (CVE-2025-8194). An endless extended header would be read into memory and
    searched again and again (CVE-2024-6232). The overridden methods are Python's own names; the tests hold them to it.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """Raises ReadError, which ``TarFile.next`` passes on, where the base class raises what it swallows."""
        try:
            return super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]  # typeshed 1.18 wants str
        except (_InvalidHeaderError, _TruncatedHeaderError) as error:
            raise tarfile.ReadError(str(error)) from error

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("negative size")
        return cast(int, super()._block(count))  # type: ignore[misc]

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._check_header()
        return cast(tarfile.TarInfo, super()._proc_pax(archive))  # type: ignore[misc]

    def _proc_gnulong(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        self._check_header()
        return cast(tarfile.TarInfo, super()._proc_gnulong(archive))  # type: ignore[misc]

    def _check_header(self) -> None:
        if self.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError("extended header of absurd size")
