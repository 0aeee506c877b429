"""Data: import, validation, filters, splits, and the canonical dataset artefact."""

from genrec.data.dataset import Dataset, Examples, Sequences

__all__ = ["Dataset", "Examples", "Sequences"]
