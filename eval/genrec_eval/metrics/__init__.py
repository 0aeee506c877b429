"""Metrics on items, one a file: full-ranking recall, NDCG and MRR, catalogue coverage, share of invalid IDs.

An example has one target. A recommendation list is a row of ``item_index``, best first. Rules that hold
for every metric:

- ``-1`` is a place with nothing in it (the list ran out of items). It is neither a hit nor invalid.
- Any other value outside of the catalogue is a generated sequence that is no item. It takes up its place.
- A repeated item takes up every place it stands in, and counts as a hit at its first place only.
- Ties are settled by whoever made the list: the order given is the ranking.
- The mean of no examples is undefined and raises ``ValueError``.
"""

from genrec_eval.metrics.accumulator import MetricsAccumulator, accuracy
from genrec_eval.metrics.coverage import coverage
from genrec_eval.metrics.mrr import mrr
from genrec_eval.metrics.ndcg import ndcg
from genrec_eval.metrics.ranks import target_ranks
from genrec_eval.metrics.recall import recall
from genrec_eval.metrics.validity import INVALID, NOTHING, invalid_share

__all__ = [
    "INVALID",
    "NOTHING",
    "MetricsAccumulator",
    "accuracy",
    "coverage",
    "invalid_share",
    "mrr",
    "ndcg",
    "recall",
    "target_ranks",
]
