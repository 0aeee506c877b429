"""One of several processes: encode the lines of a file, and save the vectors and how many texts it encoded itself.

python -m tests.tokenizers.text_program MODEL TEXTS CACHE OUTPUT
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sentence_transformers import SentenceTransformer

from genrec.processes import process_share
from genrec_tokenizers.encoders import TextEncoder


def main(model: str, texts: str, cache: str, output: str) -> None:
    """Run, with what the model is asked to encode counted on the way."""
    made, encode = [0], SentenceTransformer.encode

    def counting(self: SentenceTransformer, part: Sequence[str], **options: Any) -> Any:
        made[0] += len(part)
        return encode(self, part, **options)

    SentenceTransformer.encode = counting  # type: ignore[method-assign]
    items = pl.DataFrame({"title": Path(texts).read_text().splitlines()})
    vectors = TextEncoder(model, cache=Path(cache)).encode_new(items).vectors
    np.savez(f"{output}.{process_share()[0]}.npz", vectors=vectors, made=made[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
