"""Decoding: the trie over the catalogue's semantic IDs and the search for the best items in it.

``TreeBeamSearch`` and ``Recommender`` are imported on first use, since they need torch and transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from genrec.decoding.engines.base import ENGINES, Engine
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.trie import Trie

if TYPE_CHECKING:
    from genrec.decoding.recommender import Recommender
    from genrec.decoding.tree_beam import TreeBeamSearch

__all__ = ["ENGINES", "Engine", "Ranking", "Recommender", "Sessions", "TreeBeamSearch", "Trie"]

_LAZY = {"Recommender": "genrec.decoding.recommender", "TreeBeamSearch": "genrec.decoding.tree_beam"}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
