"""PrefRec (KDD 2023, arXiv:2212.02779): long-term return learnt from preferences between trajectories.

Which of two stretches of a user's life with the system is better is easier to say than what a single item is worth.
From such pairs a reward of single steps is learnt, from that a critic, and by that a policy.

    steps        what was shown to whom and when, and how long each user then stayed away
    pairs        pairs of segments with a preference, by a rule or from a file
    memory       the state of a user: fading sums of what was shown and what was liked
    network      scores of items in a state, and the value of a state
    reward       the Bradley-Terry model of the pairs
    critic       Q, and a value function of its own by expectile regression
    policy       the policy that follows the critic's advantages; how policies are asked
    learner      all of it in order; and a myopic policy from the same log, to compare with
    simulator    users who tire of what they see too often, to measure on

This follows the paper's abstract and notes of its mechanism; where they say nothing, the choice is ours
(docs/prefrec.md).
"""
