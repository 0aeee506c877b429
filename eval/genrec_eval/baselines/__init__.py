"""Baselines on the same split as the generator: fitted on the training part, ranked over every item.

Import a method from its own module; :func:`genrec_eval.baselines.tuning.fit_best` chooses its parameters.
"""
