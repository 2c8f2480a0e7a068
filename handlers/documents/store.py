"""Where the files lie: a folder, or any location that fsspec knows (s3://…, abfs://…, sftp://…).

A file is there under its name as a whole or not at all. In a folder it is written under a name of its own
(`.incoming/….part`), brought to the disk, and renamed. Elsewhere it is put under such a name and moved.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import fsspec

_INCOMING = ".incoming"
_PART_END = ".part"
#: Of a file that is on its way to another location, among those of others.
_LOCAL_BEGINNING = "webhooks-"
#: What a crash left behind is removed at the next start when it is older than this, in seconds.
_ABANDONED_AFTER = 3600.0
#: These know no folders, and would make a bucket of a name that is misspelt.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "ocilake", "oss", "memory"}


class StoreError(Exception):
    """The location takes nothing now, or cannot be used at all; the text says why."""


class Incoming(Protocol):
    """A file that is being written, and that nobody sees yet."""

    @property
    def file(self) -> BinaryIO:
        """To write to."""

    def keep(self, key: str, name: str) -> str:
        """Give it its place; the path or URL under which it is found. The same key and name is the same place.

        Raises:
            StoreError: it is not there.
        """


class DocumentStore(Protocol):
    """Keeps files; one object for all threads."""

    def incoming(self) -> AbstractContextManager[Incoming]:
        """A new file; what is not kept is gone afterwards.

        Raises:
            StoreError: none can be made.
        """

    def has(self, path: str, size: int) -> bool:
        """Whether a file that was kept is there, with this many bytes.

        Raises:
            StoreError: nobody can say now.
        """


def open_store(location: str) -> DocumentStore:
    """The store at a path or URL; nothing is made or connected yet.

    Raises:
        StoreError: fsspec does not know the location, or lacks a package for it.
    """
    if "://" not in location:
        return FolderStore(Path(location))
    if location.startswith("file://"):
        return FolderStore(Path(location.removeprefix("file://")))
    protocol = location.partition("://")[0]
    try:
        file_system, root = fsspec.core.url_to_fs(location)
    except ImportError as error:
        raise StoreError(f"{protocol}:// needs a package that is not installed: {error}") from error
    except Exception as error:  # each implementation has errors of its own
        raise StoreError(f"{protocol}:// cannot be used: {type(error).__name__}: {error}") from error
    return RemoteStore(file_system, root)


class FolderStore:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        _remove_abandoned(self._root / _INCOMING)

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """See `DocumentStore`."""
        with _as_store_error(str(self._root)):
            folder = self._root / _INCOMING
            if not self._root.exists():
                self._root.mkdir(parents=True, exist_ok=True)
                _to_disk(self._root.parent)
            folder.mkdir(exist_ok=True)
            path = folder / f"{secrets.token_hex(8)}{_PART_END}"
            file = path.open("xb")
        try:
            with file:
                yield _InFolder(self._root, path, file)
        except OSError as error:
            raise StoreError(f"{self._root}: {_reason(error)}") from error
        finally:
            with contextlib.suppress(OSError):  # what happened before says more
                path.unlink(missing_ok=True)

    def has(self, path: str, size: int) -> bool:
        """See `DocumentStore`."""
        try:
            return Path(path).stat().st_size == size
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(f"{path}: {_reason(error)}") from error


class _InFolder:
    def __init__(self, root: Path, path: Path, file: BinaryIO) -> None:
        self.file = file
        self._root = root
        self._path = path

    def keep(self, key: str, name: str) -> str:
        target = self._root / key[:2] / key / name
        with _as_store_error(str(self._root)):
            self.file.flush()
            os.fsync(self.file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            # The names of the file and of the folders above it.
            for folder in (target.parent, target.parent.parent, self._root):
                _to_disk(folder)
        return str(target)


class RemoteStore:
    """A location of fsspec."""

    def __init__(self, file_system: Any, root: str) -> None:
        self._fs = file_system
        self._root = root.rstrip("/")
        _remove_abandoned(Path(tempfile.gettempdir()), _LOCAL_BEGINNING)

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """See `DocumentStore`."""
        with (
            _as_store_error(f"{tempfile.gettempdir()} (TMPDIR)"),
            tempfile.NamedTemporaryFile(prefix=_LOCAL_BEGINNING, suffix=_PART_END) as file,
        ):
            yield _ForRemote(self._fs, self._root, file)

    def has(self, path: str, size: int) -> bool:
        """See `DocumentStore`."""
        try:
            known = self._fs._strip_protocol(path)
            # What others did since may not be in the listing that was remembered.
            self._fs.invalidate_cache()
            return bool(self._fs.exists(known) and self._fs.size(known) == size)
        except Exception as error:
            raise StoreError(f"{path}: {type(error).__name__}: {error}") from error


class _ForRemote:
    def __init__(self, file_system: Any, root: str, file: Any) -> None:
        self.file: BinaryIO = file
        self._fs = file_system
        self._root = root
        self._local = file.name

    def keep(self, key: str, name: str) -> str:
        folder = f"{self._root}/{key[:2]}/{key}"
        part, target = f"{folder}/.{secrets.token_hex(8)}{_PART_END}", f"{folder}/{name}"
        try:
            self.file.flush()
            if not _OBJECT_STORES & set(self._protocols()):
                self._fs.makedirs(folder, exist_ok=True)
            self._fs.put_file(self._local, part)
            if self._fs.exists(target):  # not every file system moves onto something
                self._fs.rm_file(target)
            self._fs.mv(part, target)
        except Exception as error:
            with contextlib.suppress(Exception):
                self._fs.rm_file(part)
            raise StoreError(f"{self._fs.unstrip_protocol(self._root)}: {type(error).__name__}: {error}") from error
        return str(self._fs.unstrip_protocol(target))

    def _protocols(self) -> tuple[str, ...]:
        known = self._fs.protocol
        return (known,) if isinstance(known, str) else tuple(known)


@contextlib.contextmanager
def _as_store_error(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{place}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _to_disk(folder: Path) -> None:
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders
    try:
        with contextlib.suppress(OSError):  # some network drives cannot
            os.fsync(number)
    finally:
        os.close(number)


def _remove_abandoned(folder: Path, beginning: str = "") -> None:
    with contextlib.suppress(OSError):  # the folder may come later
        for entry in os.scandir(folder):
            if entry.name.startswith(beginning) and entry.name.endswith(_PART_END):
                with contextlib.suppress(OSError):  # another process was faster
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER:
                        os.unlink(entry.path)
