"""A language model's vocabulary, grown by the catalogue's SID tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

from genrec.errors import ArtifactError
from genrec.models.language.start import describe, distribution
from genrec.semantic_ids import Catalogue, SIDVocabulary

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SID = re.compile(r"<[a-z]_[0-9]+>")
_PAD = "<|pad|>"
_NOISE = 0.1  # the share of it in a vector that starts from words


def add_sid_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    catalogue: Catalogue,
    start: Literal["description", "noise"],
    descriptions: Sequence[str],
    seed: int,
) -> SIDVocabulary:
    """Teach a tokenizer the catalogue's SID tokens, and give the model a vector for each.

    The tokens get the next ids, level after level. Spaces beside them stay, and no normalizer touches them. A
    tokenizer without a padding token, or that pads with its end token, gets another one: with the same one for
    both, whoever masks the padding masks the ends of the answers too. What the base asked of sampling (top_k,
    penalties) is forgotten, since it would prune legal beams.

    A tokenizer that has exactly these SID tokens, in order, keeps them with their vectors.

    Args:
        model: grown in place; tied and untied embeddings stay as they are.
        tokenizer: grown in place.
        catalogue: whose codes become tokens.
        start: the first vectors: ``description``, the mean over the tokens of the words that tell of a code's
            items, and a little noise, since several codes can have the same words; ``noise``, draws from a normal
            distribution with the mean and the variances of the known tokens' vectors.
        descriptions: a text of each item; read with ``description`` only.
        seed: of the noise.

    Raises:
        ArtifactError: if the tokenizer has other SID tokens, or only some of these.
    """
    known = _present(tokenizer, catalogue)
    _set_padding(tokenizer)
    vocabulary = known or _add(tokenizer, catalogue)
    if known is None or vocabulary.size > len(_tables(model)[0]):
        _grow(model, vocabulary.size)
        _start_rows(model, tokenizer, vocabulary, catalogue, start, descriptions, seed)
    _grow(model, len(tokenizer))
    _reset_generation(model, tokenizer)
    return vocabulary


def _present(tokenizer: PreTrainedTokenizerBase, catalogue: Catalogue) -> SIDVocabulary | None:
    """Return the vocabulary of the SID tokens that a tokenizer has; None if it has none.

    Raises:
        ArtifactError: if they are not all of the catalogue's, in order.
    """
    known = {word: at for word, at in tokenizer.get_vocab().items() if _SID.fullmatch(word)}
    if not known:
        return None
    wanted = SIDVocabulary(catalogue.codebook_sizes, min(known.values()))
    if known == {word: at for at, word in enumerate(wanted.tokens(), wanted.first)}:
        return wanted
    first = min(known, key=known.__getitem__)
    raise ArtifactError(
        f"The base's tokenizer has {len(known)} SID tokens of its own, beginning with {first}; they are not the "
        f"{wanted.size - wanted.first} of the catalogue, in order.",
        "Start from a base without SID tokens, or from one that was trained on this catalogue.",
    )


def _add(tokenizer: PreTrainedTokenizerBase, catalogue: Catalogue) -> SIDVocabulary:
    from transformers import AddedToken

    words = SIDVocabulary(catalogue.codebook_sizes).tokens()
    # Not "special": decoding without special tokens keeps the items, and they can be written in a question.
    tokenizer.add_tokens([AddedToken(word, normalized=False, special=False) for word in words])
    known = tokenizer.get_vocab()
    ids = [known[word] for word in words]
    if ids != list(range(ids[0], ids[0] + len(words))):
        raise ArtifactError("The base's tokenizer does not give new tokens ids in a row.", "Take another base.")
    return SIDVocabulary(catalogue.codebook_sizes, ids[0])


def _set_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token is not None and tokenizer.pad_token != tokenizer.eos_token:
        return
    if tokenizer.unk_token is not None and tokenizer.unk_token != tokenizer.eos_token:
        tokenizer.pad_token = tokenizer.unk_token
    else:
        tokenizer.add_special_tokens({"pad_token": _PAD})


def _grow(model: PreTrainedModel, size: int) -> None:
    """Make room for ``size`` tokens; some models have more rows than their tokenizer has tokens."""
    if size > len(_tables(model)[0]):
        model.resize_token_embeddings(size, mean_resizing=False)


def _start_rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    vocabulary: SIDVocabulary,
    catalogue: Catalogue,
    start: Literal["description", "noise"],
    descriptions: Sequence[str],
    seed: int,
) -> None:
    import torch

    words = describe(catalogue, descriptions, tokenizer) if start == "description" else {}
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for table in _tables(model):
            center, spread = distribution(table[: vocabulary.first])
            drawn = spread * torch.randn(vocabulary.size - vocabulary.first, len(center), generator=draw)
            rows = center + drawn
            for row, ids in words.items():
                known = table[torch.tensor(ids, device=table.device)].float().mean(dim=0)
                rows[row] = known.cpu() + _NOISE * drawn[row]
            table[vocabulary.first : vocabulary.size] = rows.to(table)


def _tables(model: PreTrainedModel) -> list[torch.Tensor]:
    """Return the embeddings that read tokens, and those that write them where they are others."""
    read, written = (
        cast("torch.Tensor", layer.weight)
        for layer in (model.get_input_embeddings(), model.get_output_embeddings())
    )
    return [read] if written is read else [read, written]


def _reset_generation(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    from transformers import GenerationConfig

    ends = getattr(model.generation_config, "eos_token_id", None) or tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
    )
