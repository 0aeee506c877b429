"""Reasoning: rationales to learn from, the task that teaches them, and the reward for what they lead to.

After OneRec-Think (arXiv:2510.11639). Decoding with thoughts is in :mod:`genrec.decoding.think`.
"""

from genrec_alignment.reasoning.config import RationaleConfig, ThinkConfig
from genrec_alignment.reasoning.reward import rollout_beam_reward

__all__ = ["RationaleConfig", "ThinkConfig", "rollout_beam_reward"]
