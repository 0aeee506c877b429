"""Item tokenizers: encoders, fusion, quantizers, collisions, and the quality of semantic IDs.

``ItemTokenizer`` is imported on first use, since its parts are heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genrec_tokenizers.tokenizer import ItemTokenizer

__all__ = ["ItemTokenizer"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("genrec_tokenizers.tokenizer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
