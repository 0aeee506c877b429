"""Pre-training: a decoder learns to continue users' histories, item by item, code by code."""
