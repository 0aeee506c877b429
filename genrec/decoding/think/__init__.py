"""Recommending in two steps: the model writes a thought as text, then the search finds the items after it.

``config`` and ``form`` need neither torch nor transformers; the rest is imported from its module.
"""

from genrec.decoding.think.config import AheadConfig, ThinkingConfig
from genrec.decoding.think.form import END_OF_THOUGHT, REASON, ThoughtForm, answer, thought_form

__all__ = ["END_OF_THOUGHT", "REASON", "AheadConfig", "ThinkingConfig", "ThoughtForm", "answer", "thought_form"]
