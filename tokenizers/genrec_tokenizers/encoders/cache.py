"""A cache of text vectors, in chunks named by the digest of their content.

One file holds one chunk and is written whole or not at all, so a killed run goes on after its last whole
chunk, and another run over the same texts and the same model reads instead of encoding.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.console import remark

Vectors = npt.NDArray[np.float32]


def cache_folder() -> Path:
    """Return where genrec keeps what it can make again: ``$GENREC_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get("GENREC_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrec"


def encode_cached(
    texts: Sequence[str],
    encode: Callable[[Sequence[str]], Vectors],
    fingerprint: str,
    folder: Path,
    chunk: int = 512,
) -> Iterator[tuple[Vectors, bool]]:
    """Yield the vectors of ``texts`` chunk by chunk, each with whether it came from the cache.

    Args:
        texts: what to encode.
        encode: the encoder, called for the chunks that are not cached.
        fingerprint: digest of everything besides the texts that the vectors depend on.
        folder: where the files lie.
        chunk: texts in a file.
    """
    writable = True
    for start in range(0, len(texts), chunk):
        part = texts[start : start + chunk]
        file = folder / f"{_digest(fingerprint, part)}.safetensors"
        found = _read(file, len(part))
        if found is not None:
            yield found, True
            continue
        vectors = np.ascontiguousarray(encode(part), dtype=np.float32)
        writable = writable and _write(file, vectors)
        yield vectors, False


def _digest(fingerprint: str, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(fingerprint.encode())
    for text in texts:
        raw = text.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def _read(file: Path, rows: int) -> Vectors | None:
    try:
        vectors = load_file(file)["vectors"]
    except (OSError, KeyError, SafetensorError):
        return None
    return vectors if vectors.ndim == 2 and len(vectors) == rows else None


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
        remark(f"Text vectors are not cached ({error}); name a writable folder in GENREC_CACHE.")
        return False
    return True
