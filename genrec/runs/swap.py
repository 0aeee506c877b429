"""Replace a folder as a whole: locks, renames, and sweeping up after writers that were killed.

Beside an artefact ``generator``, all hidden and only while it is being written:

    .generator.new     the draft
    .generator.old     the earlier artefact, in the moment between the two renames
    .generator.lock    held by the living writer; the kernel releases it when a process dies, however it dies
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from genrec.errors import ArtifactError


def new_path(path: Path) -> Path:
    """Return where the draft of ``path`` is written."""
    return path.with_name(f".{path.name}.new")


def old_path(path: Path) -> Path:
    """Return where the earlier artefact waits between the two renames."""
    return path.with_name(f".{path.name}.old")


@contextmanager
def lock(path: Path, patience: float = 1.0) -> Iterator[None]:
    """Be the only one who writes or mends ``path``; raise ArtifactError where someone else is, seconds later."""
    file = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + patience
    while (stream := _try_lock(file)) is None:
        if time.monotonic() >= deadline:
            problem = f"Another process is writing {path}."
            raise ArtifactError(problem, "Wait for it, or choose another --run folder.")
        time.sleep(0.02)
    with stream:
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _try_lock(file: Path) -> IO[str] | None:
    """Return the locked file, or None if another process holds it or has just let it go."""
    try:
        stream = file.open("w", encoding="utf-8")
    except OSError as error:
        problem = f"{file.parent} cannot be written to: {error.strerror}."
        raise ArtifactError(problem, "Choose another --run folder.") from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A holder that has just finished took its file away: then this lock is on a file no one else sees.
        held = file.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except OSError as error:
        # Some network file systems have no locks; there, one writer at a time is up to the person.
        held = error.errno in {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
    if held:
        return stream
    stream.close()
    return None


def sweep(path: Path) -> None:
    """Bring back an artefact caught between two renames, and drop drafts. The lock must be held."""
    if old_path(path).exists() and not path.exists():
        old_path(path).rename(path)
    for left in (new_path(path), old_path(path)):
        if left.is_symlink():
            left.unlink()
        shutil.rmtree(left, ignore_errors=True)


def swap(new: Path, path: Path) -> None:
    """Give the folder ``new`` the name ``path``, moving an earlier artefact out of the way."""
    if path.exists():
        path.rename(old_path(path))
    new.rename(path)
    _sync(path.parent)


def flush(folder: Path) -> None:
    """Put every file below ``folder`` on the disk, so that a power cut cannot leave a named but empty artefact."""
    for place in [*folder.rglob("*"), folder]:
        if place.is_file() or place.is_dir():
            _sync(place)


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
