"""GRPO (arXiv:2402.03300) and its relatives ECPO and GBPO on semantic IDs: groups of a policy's own candidates.

config      settings
sampling    candidates drawn from the policy within the trie
rollouts    the groups: beams, or draws
trainer     TRL's GRPOTrainer, for every kind of generator
optimiser   a round of ``genrec align`` that learns so
"""
