"""Semantic IDs as the core sees them: the vocabulary of SID tokens and the catalogue of items with codes."""

from genrec.semantic_ids.catalogue import Catalogue
from genrec.semantic_ids.store import CatalogueStore, Snapshot, Version
from genrec.semantic_ids.vocabulary import SIDVocabulary

__all__ = ["Catalogue", "CatalogueStore", "SIDVocabulary", "Snapshot", "Version"]
