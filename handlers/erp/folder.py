"""The destination `folder`: each event is one file, there as a whole or not at all.

The file is written under a name of its own (`.webhooks-….part`) in the same folder, brought to the disk, and then
given its name by a step that never replaces anything. With a done-file, an empty `NAME.done` follows it: a reader
that waits for it need not know what is still being written. With a documents-file, the documents of an event stand
in a file beside it, which is there first: `NAME.json` has `NAME.documents.json`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from handlers.erp.documents_json import documents_json
from handlers.erp.folder_names import USUAL_PATTERN, check_pattern, file_name
from handlers.interface import Accepted, Change, ErpEvent, JsonObject, Outcome, RenderedBody, Unavailable

_PART = ".webhooks-"
_PART_END = ".part"
#: What a crash left behind is removed at the next start when it is older than this, in seconds.
_ABANDONED_AFTER = 3600.0
#: So many other contents under one name are no longer believable.
_MAX_VARIANTS = 1000

_EXTENSIONS = {"application/json": "json", "application/xml": "xml", "text/xml": "xml"}

#: File systems that cannot do something say so in one of these ways.
_CANNOT = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EXDEV}


class FolderDestination:
    """Drops events into a folder.

    An event whose file is there already with the same content is not written again; another content gets a name of
    its own ("…-2.json").
    """

    def __init__(
        self,
        path: Path,
        *,
        pattern: str = USUAL_PATTERN,
        done_file: bool = False,
        documents_file: bool = False,
    ) -> None:
        check_pattern(pattern)
        self._path = path
        self._pattern = pattern
        self._done_file = done_file
        self._documents_file = documents_file
        with contextlib.suppress(OSError):  # the folder may come later
            _remove_abandoned(path)

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """`Accepted` with the name once it is on the disk; `Unavailable` for every trouble of folder and disk."""
        extension = _EXTENSIONS.get(body.media_type.partition(";")[0].strip().lower(), "txt")
        wanted = file_name(self._pattern, event, extension)
        try:
            if event.documents and self._documents_file:
                # First, so that whoever finds the event finds them; without a done-file of its own.
                stem = wanted.removesuffix(f".{extension}")
                self._drop(f"{stem}.documents.json", documents_json(event.documents).encode(), done_file=False)
            name = self._drop(wanted, body.content, done_file=self._done_file)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            return Unavailable(f"{self._path}: {reason}")
        return Accepted(name)

    def close(self) -> None:
        """Nothing is kept open."""

    def _drop(self, name: str, content: bytes, *, done_file: bool) -> str:
        stem, dot, extension = name.rpartition(".")
        variants = (
            name,
            *(f"{stem or extension}-{n}{dot}{extension if dot else ''}" for n in range(2, _MAX_VARIANTS)),
        )
        with _opened(self._path) as folder:
            part: str | None = None
            try:
                for variant in variants:
                    if _exists(folder, variant):
                        if _has(folder, variant, content):
                            break
                        continue
                    part = part or _write(folder, content)
                    if _publish(folder, part, variant):
                        part = None
                        break
                    # Somebody was faster, perhaps with the same content.
                    if _has(folder, variant, content):
                        break
                else:
                    raise OSError(errno.EEXIST, "too many files of one name")
            finally:
                if part is not None:
                    with contextlib.suppress(OSError):
                        os.unlink(part, dir_fd=folder)
            # Also where the file was there before: the attempt that wrote it may have ended here.
            _to_disk(folder)
            if done_file:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(f"{variant}.done", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666, dir_fd=folder))
                _to_disk(folder)
        return variant


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def _write(folder: int, content: bytes) -> str:
    """Name of a new file with this content, on the disk."""
    name = f"{_PART}{secrets.token_hex(8)}{_PART_END}"
    try:
        with os.fdopen(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    return name


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _has(folder: int, name: str, content: bytes) -> bool:
    """Whether a file of this name is there with this content."""
    try:
        # Anybody may have put anything there: a link is not followed, a pipe not waited for.
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    try:
        known = os.fstat(found)
        if not stat.S_ISREG(known.st_mode) or known.st_size != len(content):
            return False
        with os.fdopen(found, "rb", closefd=False) as file:
            return file.read() == content
    finally:
        os.close(found)


def _publish(folder: int, part: str, name: str) -> bool:
    """Give a finished file its name; False if there is a file of that name."""
    try:
        if _rename_no_replace is not None and _rename_no_replace(folder, part, name):
            return True
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    os.unlink(part, dir_fd=folder)
    return True


def _renaming() -> Callable[[int, str, str], bool] | None:
    """renameat2 with RENAME_NOREPLACE, which Python does not offer; None where the system has none.

    Hard links do the same, but FAT and Windows shares have none.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

    def rename(folder: int, old: str, new: str) -> bool:
        if renameat2(folder, os.fsencode(old), folder, os.fsencode(new), 1) == 0:
            return True
        code = ctypes.get_errno()
        if code in _CANNOT:
            return False
        raise OSError(code, os.strerror(code))

    return rename


_rename_no_replace = _renaming()


def _to_disk(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def _remove_abandoned(path: Path) -> None:
    for entry in os.scandir(path):
        if entry.name.startswith(_PART) and entry.name.endswith(_PART_END):
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER:
                    os.unlink(entry.path)
