"""Metrics on items, one a file: accuracy, exposure, diversity, groups, validity.

An example has one target. A recommendation list is a row of ``item_index``, best first. Rules that hold
for every metric:

- ``-1`` is a place with nothing in it (the list ran out of items). It is neither a hit nor invalid.
- Any other value outside of the catalogue is a generated sequence that is no item. It takes up its place.
- A repeated item takes up every place it stands in, and counts as a hit at its first place only.
- Ties are settled by whoever made the list: the order given is the ranking.
- The mean of no examples is undefined and raises ``ValueError``.

Where the target is a whole session, the ``session_…`` metrics take its place: several items an example, one figure
an example. With one target an example, average precision is the reciprocal rank, and pass@K is recall. What else is
said of a list (diversity, repeats, items of the history) has a file of its own.
"""

from genrec_eval.metrics.accumulator import MetricsAccumulator, accuracy
from genrec_eval.metrics.auc import auc, grouped_auc
from genrec_eval.metrics.calibration import calibration_error, log_loss
from genrec_eval.metrics.coverage import coverage
from genrec_eval.metrics.diversity import diversity
from genrec_eval.metrics.exposure import average_popularity, entropy, gini, novelty
from genrec_eval.metrics.genre_calibration import genre_calibration
from genrec_eval.metrics.groups import Cells, buckets, exposure_parity, group_means, intersections
from genrec_eval.metrics.intra_list import category_diversity, embedding_diversity
from genrec_eval.metrics.mrr import mrr
from genrec_eval.metrics.ndcg import ndcg
from genrec_eval.metrics.odd_lists import check_lists
from genrec_eval.metrics.ranks import target_ranks
from genrec_eval.metrics.recall import recall
from genrec_eval.metrics.repeats import count_repeats
from genrec_eval.metrics.rewards import ListRewards, list_rewards
from genrec_eval.metrics.seen_before import count_seen_before
from genrec_eval.metrics.serendipity import serendipity
from genrec_eval.metrics.session_accumulator import SessionMetricsAccumulator
from genrec_eval.metrics.session_hit import session_hit
from genrec_eval.metrics.session_map import session_map
from genrec_eval.metrics.session_ndcg import session_ndcg
from genrec_eval.metrics.session_ranks import SessionRanks, session_ranks
from genrec_eval.metrics.session_recall import session_recall
from genrec_eval.metrics.validity import INVALID, NOTHING, invalid_share

__all__ = [
    "INVALID",
    "NOTHING",
    "Cells",
    "ListRewards",
    "MetricsAccumulator",
    "SessionMetricsAccumulator",
    "SessionRanks",
    "accuracy",
    "auc",
    "average_popularity",
    "buckets",
    "calibration_error",
    "category_diversity",
    "check_lists",
    "count_repeats",
    "count_seen_before",
    "coverage",
    "diversity",
    "embedding_diversity",
    "entropy",
    "exposure_parity",
    "genre_calibration",
    "gini",
    "group_means",
    "grouped_auc",
    "intersections",
    "invalid_share",
    "list_rewards",
    "log_loss",
    "mrr",
    "ndcg",
    "novelty",
    "recall",
    "serendipity",
    "session_hit",
    "session_map",
    "session_ndcg",
    "session_ranks",
    "session_recall",
    "target_ranks",
]
