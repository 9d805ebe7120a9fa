"""Files on S3 through ``s3fs`` (extra ``s3``): listed, read in ranges, written whole or not at all.

Address, region and credentials come from where AWS's own tools take them (``AWS_ENDPOINT_URL``,
``AWS_ACCESS_KEY_ID``, ``~/.aws``, …); nothing of them is read, kept or logged here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from components.core.errors import ConfigError, InfrastructureError, TransientError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

S3_PREFIX = "s3://"
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object: its address, its size in bytes, and a tag that changes with its content."""

    address: str
    size: int
    version: str


def is_remote(path: str) -> bool:
    """Whether a path is an address that this module reads and writes."""
    return path.startswith(S3_PREFIX)


def list_remote(address: str) -> list[RemoteFile]:
    """The object at an address, or those under it, or those that match it as a glob, by name; empty if there are none.

    Raises: ConfigError if the bucket does not exist or is closed to us; InfrastructureError if S3 cannot be reached.
    """
    with _explained(address):
        system = _system()
        system.invalidate_cache()  # a listing of a minute ago is not what is there
        name = address.removeprefix(S3_PREFIX)
        if any(sign in name for sign in "*?["):
            found: dict[str, Any] = system.glob(name, detail=True)
        else:
            found = system.find(name, detail=True)
        files = [entry for entry in found.values() if entry["type"] == "file"]
    return sorted(
        (RemoteFile(S3_PREFIX + file["name"], int(file["size"]), str(file.get("ETag", ""))) for file in files),
        key=lambda file: file.address,
    )


@contextlib.contextmanager
def open_remote(address: str) -> Iterator[IO[bytes]]:
    """A seekable stream of an object's bytes.

    Raises: ConfigError if it is not there; TransientError where reading breaks off.
    """
    with _explained(address):
        handle = _system().open(address, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
    with contextlib.closing(handle):
        yield cast(IO[bytes], _Explained(handle, address))


@contextlib.contextmanager
def write_remote(address: str) -> Iterator[IO[bytes]]:
    """A stream to a new object, which appears when the block ends well and not at all otherwise."""
    with _explained(address):
        handle = _system().open(address, "wb", block_size=_BLOCK_BYTES)
    try:
        yield cast(IO[bytes], handle)
    except BaseException:
        with contextlib.suppress(*_foreign_errors()):  # the error that led here is the one to tell
            handle.discard()
        handle.closed = True  # else closing it later would complete the upload
        raise
    with _explained(address):
        handle.close()


def upload_folder(folder: Path, address: str, *, last: str) -> int:
    """Copy a folder's files under an address, ``last`` after all others, so its presence means complete.

    What lies there of an earlier, larger upload (files of these names that are not in the folder) is left alone.
    Returns how many files were copied.
    """
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    names.sort(key=lambda name: name == last)
    with _explained(address):
        system = _system()
        target = address.rstrip("/")
        with contextlib.suppress(FileNotFoundError):
            system.rm_file(f"{target}/{last}")
        for name in names:
            system.put_file(str(folder / name), f"{target}/{name}")
    return len(names)


def _system() -> Any:
    try:
        import s3fs
    except ImportError as error:
        raise ConfigError("s3:// addresses need the extra `s3`: pip install 'touchstone[s3]'") from error
    return s3fs.S3FileSystem(config_kwargs={"retries": {"max_attempts": 5, "mode": "standard"}, "connect_timeout": 10})


class _Explained(io.RawIOBase):
    """An object's stream whose failures are errors of ours."""

    def __init__(self, inner: Any, address: str) -> None:
        self._inner, self._address = inner, address

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        with _explained(self._address):
            data = self._inner.read(len(view))
        view[: len(data)] = data
        return len(data)


def _foreign_errors() -> tuple[type[Exception], ...]:
    import aiohttp
    import botocore.exceptions

    known = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, aiohttp.ClientError)
    return (*known, OSError, TimeoutError, ValueError)


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn what s3fs, botocore and aiohttp raise into an error that names the address and the next step."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError(f"{address}: no such object or bucket") from error
    except PermissionError as error:
        raise ConfigError(f"{address}: access denied; check the credentials and the bucket's policy") from error
    except _foreign_errors() as error:
        kind = type(error).__name__
        if kind in {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}:
            raise ConfigError(f"{address}: no credentials; set AWS_ACCESS_KEY_ID or run aws configure") from error
        if kind in {"EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError"}:
            raise InfrastructureError(
                f"{address}: S3 cannot be reached; check AWS_ENDPOINT_URL and the network"
            ) from error
        if kind == "ParamValidationError":
            raise ConfigError(f"{address}: not an address of an object; write s3://bucket/path") from error
        raise TransientError(f"{address}: reading or writing broke off ({kind}); try again") from error
