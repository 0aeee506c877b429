"""Decoding: the trie over the catalogue's semantic IDs and the search for the best items in it.

``TreeBeamSearch`` is imported on first use, since it needs torch and transformers.
"""

from typing import TYPE_CHECKING

from genrec.decoding.ranking import Ranking
from genrec.decoding.recommender import Recommender
from genrec.decoding.trie import Trie

if TYPE_CHECKING:
    from genrec.decoding.tree_beam import TreeBeamSearch

__all__ = ["Ranking", "Recommender", "TreeBeamSearch", "Trie"]


def __getattr__(name: str) -> object:
    if name == "TreeBeamSearch":
        from genrec.decoding.tree_beam import TreeBeamSearch

        return TreeBeamSearch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
