"""Protocols: files that say on what data, with which split and how something is measured.

``genrec evaluate --protocol tiger-beauty`` takes what is measured from the file and refuses a run whose dataset is
another one. A figure is comparable with another only where both have the same protocol. A protocol file of one's
own is named by its path.
"""

from genrec_eval.protocols.check import differences, require_protocol
from genrec_eval.protocols.protocol import Protocol, apply_protocol, load_protocol, protocol_names, split_digest

__all__ = [
    "Protocol",
    "apply_protocol",
    "differences",
    "load_protocol",
    "protocol_names",
    "require_protocol",
    "split_digest",
]
