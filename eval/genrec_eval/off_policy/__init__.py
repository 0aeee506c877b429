"""What would another policy have earned? Answers from logs of the one that ran, or of a randomised trial.

``log``        a bandit log, checked: rewards, and the probabilities of what was shown under both policies
``estimators`` IPS, self-normalised IPS, direct method, doubly robust; each with interval and effective sample size
``slates``     the same for lists, under three assumptions about how positions influence each other
``replay``     policies that learn while they run, on a log of uniformly random actions
``table``      a log as a file, which `genrec off-policy` reads
``matched``    a policy's value from users whose randomised arm happens to be the one it recommends

Nothing is clipped unless ``max_weight`` is given, and then the share of clipped rows is part of the answer.
"""

from genrec_eval.off_policy.estimators import Estimate, direct_method, doubly_robust, estimate_all, ips, snips
from genrec_eval.off_policy.log import BanditLog
from genrec_eval.off_policy.matched import ArmValue, MatchedValue, matched_policy_value
from genrec_eval.off_policy.replay import Policy, Replay, UniformLog, replay
from genrec_eval.off_policy.slates import SlateLog, slate_ips
from genrec_eval.off_policy.table import estimate_file

__all__ = [
    "ArmValue",
    "BanditLog",
    "Estimate",
    "MatchedValue",
    "Policy",
    "Replay",
    "SlateLog",
    "UniformLog",
    "direct_method",
    "doubly_robust",
    "estimate_all",
    "estimate_file",
    "ips",
    "matched_policy_value",
    "replay",
    "slate_ips",
    "snips",
]
