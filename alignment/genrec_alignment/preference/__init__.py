"""Preferences: rewards of rules, pairs made of a policy's own beams, and the losses that learn from them.

Nothing here runs a training; it is what a round of alignment is made of.
"""
