"""Metrics on items, one a file: full-ranking recall, NDCG and MRR, catalogue coverage, share of invalid IDs.

An example has one target. A recommendation list is a row of ``item_index``, best first. Rules that hold
for every metric:

- ``-1`` is a place with nothing in it (the list ran out of items). It is neither a hit nor invalid.
- Any other value outside of the catalogue is a generated sequence that is no item. It takes up its place.
- A repeated item takes up every place it stands in, and counts as a hit at its first place only.
- Ties are settled by whoever made the list: the order given is the ranking.
- The mean of no examples is undefined and raises ``ValueError``.

Where the target is a whole session, the ``session_…`` metrics take its place: several items an example, one figure
an example. What else is said of a list (diversity, repeats, items of the history) has a file of its own.
"""

from genrec_eval.metrics.accumulator import MetricsAccumulator, accuracy
from genrec_eval.metrics.coverage import coverage
from genrec_eval.metrics.diversity import diversity
from genrec_eval.metrics.mrr import mrr
from genrec_eval.metrics.ndcg import ndcg
from genrec_eval.metrics.ranks import target_ranks
from genrec_eval.metrics.recall import recall
from genrec_eval.metrics.repeats import count_repeats
from genrec_eval.metrics.seen_before import count_seen_before
from genrec_eval.metrics.session_accumulator import SessionMetricsAccumulator
from genrec_eval.metrics.session_hit import session_hit
from genrec_eval.metrics.session_ndcg import session_ndcg
from genrec_eval.metrics.session_ranks import SessionRanks, session_ranks
from genrec_eval.metrics.session_recall import session_recall
from genrec_eval.metrics.validity import INVALID, NOTHING, invalid_share

__all__ = [
    "INVALID",
    "NOTHING",
    "MetricsAccumulator",
    "SessionMetricsAccumulator",
    "SessionRanks",
    "accuracy",
    "count_repeats",
    "count_seen_before",
    "coverage",
    "diversity",
    "invalid_share",
    "mrr",
    "ndcg",
    "recall",
    "session_hit",
    "session_ndcg",
    "session_ranks",
    "session_recall",
    "target_ranks",
]
