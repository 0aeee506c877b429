"""Learned rewards: OneRec's session reward model (arXiv:2502.18965), trained, measured and read again.

``config`` is light. ``scorer.RewardScorer`` reads a trained model and scores sessions; ``make.make_reward`` trains
two of them on disjoint users, one to align with and one to judge with.
"""
