"""TIGER: T5 over the codes of a history (arXiv:2305.05065), the baseline of the field."""
