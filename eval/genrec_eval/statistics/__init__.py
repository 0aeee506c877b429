"""Are two models different, by how much, and how many users would it take to know?

Everything is paired: both models answer the same examples. A test over users says whether a difference on *these
trained models* is more than the choice of users; only several seeds say the same of the methods.
"""

from genrec_eval.statistics.comparison import Comparison, compare, holm
from genrec_eval.statistics.gains import gains
from genrec_eval.statistics.paired import confidence_interval, randomization_p
from genrec_eval.statistics.power import users_needed
from genrec_eval.statistics.seeds import mean_and_sd

__all__ = [
    "Comparison",
    "compare",
    "confidence_interval",
    "gains",
    "holm",
    "mean_and_sd",
    "randomization_p",
    "users_needed",
]
