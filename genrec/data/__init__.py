"""Data: import, validation, filters, splits, and the canonical dataset artefact."""

from genrec.data.dataset import Dataset, Sequences
from genrec.data.examples import Examples, SessionExamples, SessionRows

__all__ = ["Dataset", "Examples", "Sequences", "SessionExamples", "SessionRows"]
