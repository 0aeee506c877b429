"""Models: generators over a catalogue's semantic IDs: stock decoders, language models and the OneRec family."""

from genrec.models.build import ModelConfig, build_generator
from genrec.models.decoder import DecoderConfig, build_decoder
from genrec.models.generator import Generator
from genrec.models.histories import Events, HistoryBatch
from genrec.models.language.config import LanguageConfig

__all__ = [
    "DecoderConfig",
    "Events",
    "Generator",
    "HistoryBatch",
    "LanguageConfig",
    "ModelConfig",
    "build_decoder",
    "build_generator",
]
