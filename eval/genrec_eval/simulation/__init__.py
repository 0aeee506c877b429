"""Simulated users, fitted on a run's own log, and A/B tests on them.

``genrec simulate users`` fits how users answer what they are shown, when they leave and when they come back
(:mod:`~genrec_eval.simulation.model`), and measures that on what was held out. ``genrec simulate ab`` lets them
live with two systems (:mod:`~genrec_eval.simulation.life`) and analyses what they did as an online experiment would
be (:mod:`~genrec_eval.simulation.analysis`).

Which system simulated users like better is not which one people like better: see docs/simulation.md.
"""
