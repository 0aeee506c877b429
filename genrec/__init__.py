"""genrec: generative recommendation from a raw log to an aligned, evaluated, served recommender."""

__version__ = "0.1.0"
