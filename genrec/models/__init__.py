"""Models: generators as stock Hugging Face architectures over a catalogue's SID tokens."""

from genrec.models.decoder import DecoderConfig, build_decoder
from genrec.models.generator import Generator

__all__ = ["DecoderConfig", "Generator", "build_decoder"]
