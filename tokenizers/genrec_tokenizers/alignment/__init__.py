"""Alignment of item vectors with behaviour: items that are used together come nearer (QARM, arXiv 2411.11739).

``pairs`` finds such items in the training part, ``losses`` holds what is minimised, ``training`` does it for any
network over items: the trained fusions (:mod:`genrec_tokenizers.fusion`) and the adapters of text encoders
(``lora``).
"""
