"""Decoding: the trie over the catalogue's semantic IDs and the search for the best items in it."""

from genrec.decoding.ranking import Ranking

__all__ = ["Ranking"]
