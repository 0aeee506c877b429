"""SASRec: a causal transformer over items. A baseline of evaluation, and a source of behaviour vectors.

``config`` is light; ``network`` and ``training`` need torch and are imported where they are used.
"""

from genrec.models.sasrec.config import SasrecConfig

__all__ = ["SasrecConfig"]
