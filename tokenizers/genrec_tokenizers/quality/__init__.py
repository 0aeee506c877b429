"""How good a set of semantic IDs is, before anything is trained on it."""

from genrec_tokenizers.quality.levels import level_figures, reconstruction_errors
from genrec_tokenizers.quality.names import code_names
from genrec_tokenizers.quality.neighbors import neighbor_hit_rates
from genrec_tokenizers.quality.purity import purity
from genrec_tokenizers.quality.summary import quality

__all__ = ["code_names", "level_figures", "neighbor_hit_rates", "purity", "quality", "reconstruction_errors"]
