"""New generators from settings: random weights of the right shape for a catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrec.errors import ConfigError
from genrec.models.decoder import DecoderConfig, build_decoder
from genrec.models.generator import Generator
from genrec.models.language.config import LanguageConfig
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from genrec.semantic_ids import Catalogue

if TYPE_CHECKING:
    import torch

    from genrec.data.features import Features
    from genrec.models.onerec.base import OneRecBase
    from genrec.models.tiger.model import TigerModel

ModelConfig = DecoderConfig | EncoderDecoderConfig | LazyDecoderConfig | T5Config


def build_generator(
    config: ModelConfig | LanguageConfig,
    catalogue: Catalogue,
    history_length: int,
    *,
    session_length: int = 1,
    dropout: float = 0.0,
    features: Features | None = None,
    descriptions: Sequence[str] | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> Generator:
    """Return an untrained generator; of a language model, one that has not learnt the items.

    Args:
        config: the shape of its model.
        catalogue: the items it shall generate.
        history_length: how many of a user's latest items it reads.
        session_length: items that are generated together; 1 is point-wise.
        dropout: kept in the configuration of models that read events; a decoder gets its own from the trainer.
        features: what else is read of every event; OneRec models only.
        descriptions: a text of each item, from which SID tokens of a language model start; titles unless told.
        seed: of what is drawn for a language model; the others draw from torch's global state.
        dtype: of a language model's weights; float32 unless told.
    """
    if isinstance(config, LanguageConfig):
        return _build_language(config, catalogue, history_length, descriptions or catalogue.titles, seed, dtype)
    if isinstance(config, DecoderConfig):
        max_tokens = 1 + (history_length + session_length) * catalogue.vocabulary.levels
        return Generator(build_decoder(config, catalogue.vocabulary, max_tokens), catalogue, history_length)
    import torch

    from genrec.decoding.trie import Trie
    from genrec.models.continuations import Continuations

    if isinstance(config, T5Config):
        return Generator(
            _build_t5(config, catalogue, history_length, session_length, dropout), catalogue, history_length
        )
    model = _build_history_model(config, catalogue, history_length, session_length, dropout, features)
    if model.over_catalogue:
        model.continuations = Continuations(Trie.build(catalogue.codes, catalogue.codebook_sizes))
    if model.items is not None and session_length > 1:
        raise ConfigError(
            "model.item_head scores single items, but train.target is session.",
            "Leave item_head out, or train with target: item.",
        )
    if model.items is not None:
        model.items.codes.copy_(torch.from_numpy(catalogue.codes))
    return Generator(model, catalogue, history_length, features)


def _build_language(
    config: LanguageConfig,
    catalogue: Catalogue,
    history_length: int,
    descriptions: Sequence[str],
    seed: int,
    dtype: torch.dtype | None,
) -> Generator:
    import torch

    from genrec.models.language.base import load_base
    from genrec.models.language.chat import Chat
    from genrec.models.language.parts import LanguageParts, check_base
    from genrec.models.language.prompts import continuation_prompt, question_prompt
    from genrec.models.language.tokens import add_sid_tokens

    check_base(Path(config.base), catalogue)
    model, tokenizer = load_base(config, dtype or torch.float32, seed)
    vocabulary = add_sid_tokens(model, tokenizer, catalogue, config.sid_start, descriptions, seed)
    make_prompt = continuation_prompt if config.prompt == "continuation" else question_prompt
    parts = LanguageParts(tokenizer, vocabulary, make_prompt(Chat(tokenizer), vocabulary))
    return Generator(model, catalogue, history_length, language=parts)


def _build_history_model(
    config: EncoderDecoderConfig | LazyDecoderConfig,
    catalogue: Catalogue,
    history_length: int,
    session_length: int,
    dropout: float,
    features: Features | None,
) -> OneRecBase:
    from genrec.models.onerec.configuration import OneRecConfig, OneRecLazyConfig
    from genrec.models.onerec.encoder_decoder import OneRecModel
    from genrec.models.onerec.lazy_decoder import OneRecLazyModel

    options: dict[str, Any] = {
        "codebook_sizes": list(catalogue.codebook_sizes),
        "items": len(catalogue) if config.history.item_embeddings else 0,
        "feature_names": list(features.names) if features else [],
        "feature_sizes": list(features.sizes) if features else [],
        "history_length": history_length,
        "session_length": session_length,
        "shape": config.model_dump(mode="json"),
        "dropout": dropout,
    }
    if isinstance(config, EncoderDecoderConfig):
        return OneRecModel(OneRecConfig(**options))
    return OneRecLazyModel(OneRecLazyConfig(**options))


def _build_t5(
    config: T5Config, catalogue: Catalogue, history_length: int, session_length: int, dropout: float
) -> TigerModel:
    from genrec.models.tiger.model import TigerConfig, TigerModel

    return TigerModel(
        TigerConfig(
            codebook_sizes=list(catalogue.codebook_sizes),
            history_length=history_length,
            session_length=session_length,
            shape=config.model_dump(mode="json"),
            dropout=dropout,
        )
    )
