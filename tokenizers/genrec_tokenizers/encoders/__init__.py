"""Encoders: each turns one source of knowledge about items into vectors."""

from genrec_tokenizers.encoders.base import Encoder, ItemVectors
from genrec_tokenizers.encoders.behavior import BehaviorEncoder
from genrec_tokenizers.encoders.text import TextEncoder

__all__ = ["BehaviorEncoder", "Encoder", "ItemVectors", "TextEncoder"]
