"""A cache of vectors, in chunks named by the digest of their content.

One file holds one chunk and is written whole or not at all, so a killed run goes on after its last whole
chunk, and another run over the same contents and the same model reads instead of encoding. Several processes
that share the folder each make a part of the chunks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from genrec.console import progress_bar, remark
from genrec.processes import process_share, wait_for_all
from genrec_tokenizers.engine import Engine, LocalEngine

Vectors = npt.NDArray[np.float32]


def cache_folder() -> Path:
    """Return where genrec keeps what it can make again: ``$GENREC_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get("GENREC_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrec"


def encode_all(
    contents: Sequence[str],
    encode: Callable[[Sequence[str]], Vectors],
    fingerprint: str,
    folder: Path,
    what: str,
    chunk: int = 512,
    engine: Engine | None = None,
) -> Vectors:
    """Return the vectors of ``contents``, at least one, behind a progress bar with the rate.

    Under ``accelerate launch`` each process encodes its share of the chunks into the folder, waits for the others,
    and reads theirs; what a process cannot read, because the folder is not shared, it encodes itself.

    Args:
        contents: texts, or the digests of what stands for them.
        encode: the encoder, called for the chunks that are not cached.
        fingerprint: digest of everything besides the contents that the vectors depend on.
        folder: where the cache lies.
        what: what is encoded, in the plural.
        chunk: contents in a file.
        engine: who does the chunks that are not cached; this process if not told.
    """
    rank, processes = process_share()
    if processes > 1:
        chunks = range(rank * chunk, len(contents), processes * chunk)
        mine = [content for start in chunks for content in contents[start : start + chunk]]
        _show(encode_cached(mine, encode, fingerprint, folder, chunk, engine), len(mine), what, quiet=rank > 0)
        wait_for_all()
    parts, cached = _show(
        encode_cached(contents, encode, fingerprint, folder, chunk, engine), len(contents), what, rank > 0
    )
    if cached and processes == 1:
        remark(f"{cached:,} of {len(contents):,} {what} were encoded before; their vectors come from {folder}.")
    return np.concatenate(parts)


def _show(parts: Iterator[tuple[Vectors, bool]], total: int, what: str, quiet: bool) -> tuple[list[Vectors], int]:
    """Run through ``parts`` behind a progress bar; return them and how many vectors were cached."""
    started, cached, done = time.monotonic(), 0, []
    with progress_bar() as bar:
        bar.disable = quiet
        task = bar.add_task(f"Encoding {what}", total=total)
        for vectors, hit in parts:
            done.append(vectors)
            cached += hit * len(vectors)
            fresh = sum(map(len, done)) - cached
            rate = f" ({fresh / (time.monotonic() - started):,.1f}/s)" if fresh else ""
            bar.update(task, advance=len(vectors), description=f"Encoding {what}{rate}")
    return done, cached


def encode_cached(
    contents: Sequence[str],
    encode: Callable[[Sequence[str]], Vectors],
    fingerprint: str,
    folder: Path,
    chunk: int = 512,
    engine: Engine | None = None,
) -> Iterator[tuple[Vectors, bool]]:
    """Yield the vectors of ``contents`` chunk by chunk, each with whether it came from the cache.

    The arguments are those of :func:`encode_all`.
    """
    parts = [contents[start : start + chunk] for start in range(0, len(contents), chunk)]
    files = [folder / f"{_digest(fingerprint, part)}.safetensors" for part in parts]
    cached = [_is_whole(file, len(part)) for file, part in zip(files, parts, strict=True)]
    missing = [part for part, hit in zip(parts, cached, strict=True) if not hit]
    fresh = (engine or LocalEngine()).map(lambda: encode, missing)
    writable = True
    for file, hit in zip(files, cached, strict=True):
        if hit:
            yield load_file(file)["vectors"], True
            continue
        vectors = np.ascontiguousarray(next(fresh), dtype=np.float32)
        writable = writable and _write(file, vectors)
        yield vectors, False


def _digest(fingerprint: str, contents: Sequence[str]) -> str:
    digest = hashlib.sha256(fingerprint.encode())
    for content in contents:
        raw = content.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def _is_whole(file: Path, rows: int) -> bool:
    """Say whether a chunk can be read and has as many rows as it should."""
    try:
        with safe_open(file, "numpy") as tensors:
            shape = tensors.get_slice("vectors").get_shape()
    except (OSError, SafetensorError):
        return False
    return len(shape) == 2 and shape[0] == rows


def _write(file: Path, vectors: Vectors) -> bool:
    """Write a chunk, or say once why that is impossible."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"vectors": vectors}, draft)
        draft.replace(file)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        remark(f"Vectors are not cached ({error}); name a writable folder in GENREC_CACHE.")
        return False
    return True
