"""SID tokens beside words: whatever the tokenizer, text and ids go back and forth, and bad bases are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AddedToken, GenerationConfig

from genrec.errors import ArtifactError
from genrec.models.language import add_sid_tokens
from genrec.models.language.start import describe
from genrec.semantic_ids import Catalogue, SIDVocabulary
from tests.models.language.tiny import BACKENDS, SIZES, tiny_catalogue, tiny_model, tiny_tokenizer

CATALOGUE = tiny_catalogue()
QUICK = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
GROWN = {}


def grown(kind: str) -> tuple:
    """A tokenizer with SID tokens and its vocabulary, made once for each kind."""
    if kind not in GROWN:
        tokenizer = tiny_tokenizer(kind)
        model = tiny_model(len(tokenizer))
        GROWN[kind] = tokenizer, add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0), model
    return GROWN[kind]


def ids_of(tokenizer: object, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("kind", BACKENDS)
def test_tokens_follow_the_base_vocabulary_level_after_level(kind: str) -> None:
    tokenizer, vocabulary, model = grown(kind)
    before = len(tiny_tokenizer(kind))
    assert vocabulary.codebook_sizes == SIZES
    assert vocabulary.first >= before
    assert tokenizer.convert_tokens_to_ids(vocabulary.tokens()) == list(range(vocabulary.first, vocabulary.size))
    assert len(model.get_input_embeddings().weight) == model.config.vocab_size >= vocabulary.size


@pytest.mark.parametrize("kind", BACKENDS)
@QUICK
@given(
    st.lists(
        st.tuples(
            st.integers(0, 29),
            st.sampled_from(["", " ", "  ", " the ", "Of", ", ", "\n", "ﬁlm", "<a_", "<b_9>", ">"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_ids_in_text_are_read_back_whatever_stands_between(kind: str, parts: list[tuple[int, str]]) -> None:
    tokenizer, vocabulary, _ = grown(kind)
    text = "".join(vocabulary.text(CATALOGUE.codes[item]) + between for item, between in parts)
    ids = np.array(ids_of(tokenizer, text))
    items = ids[ids >= vocabulary.first].reshape(-1, 3)
    np.testing.assert_array_equal(vocabulary.decode(items), CATALOGUE.codes[[item for item, _ in parts]])


@pytest.mark.parametrize("kind", ["byte_level", "sentence_piece"])
@QUICK
@given(
    st.integers(0, 29),
    st.sampled_from(["", " ", "  ", " x", "x ", "\n"]),
    st.sampled_from(["", " ", "  ", " x", "x ", "\n"]),
)
def test_spaces_beside_an_id_stay(kind: str, item: int, left: str, right: str) -> None:
    tokenizer, vocabulary, _ = grown(kind)
    text = f"w{left}{vocabulary.text(CATALOGUE.codes[item])}{right}w"
    assert tokenizer.decode(ids_of(tokenizer, text)) == text
    assert tokenizer.decode(ids_of(tokenizer, text), skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", BACKENDS)
def test_padding_is_never_the_end_token(kind: str) -> None:
    for tokens in ({}, {"pad_token": "</s>"}, {"unk_token": "<unk>"}, {"unk_token": "</s>"}):
        tokenizer = tiny_tokenizer(kind, **tokens)
        model = tiny_model(len(tokenizer))
        vocabulary = add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0)
        assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
        assert model.config.pad_token_id == model.generation_config.pad_token_id == tokenizer.pad_token_id
        assert len(model.get_input_embeddings().weight) >= max(vocabulary.size, len(tokenizer))
    kept = tiny_tokenizer(kind, pad_token="<unk>")
    add_sid_tokens(tiny_model(len(kept)), kept, CATALOGUE, "noise", [], 0)
    assert kept.pad_token == "<unk>"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("spare", [0, 5, 100])
def test_what_the_base_knew_stays(tied: bool, spare: int) -> None:
    tokenizer = tiny_tokenizer()
    words = len(tokenizer)
    model = tiny_model(words + spare, tied)
    before = model(torch.tensor([[0, 7, 9]])).logits[..., :words].detach()
    vocabulary = add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0)
    torch.testing.assert_close(model(torch.tensor([[0, 7, 9]])).logits[..., :words].detach(), before)
    read, written = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert (read is written) == tied == model.config.tie_word_embeddings
    assert len(read) == len(written) == model.config.vocab_size == max(vocabulary.size, words + spare)
    assert len(torch.unique(read[vocabulary.first : vocabulary.size], dim=0)) == 12
    if not tied:
        assert not torch.equal(read[vocabulary.first], written[vocabulary.first])


def test_noise_is_spread_as_the_known_tokens_are() -> None:
    tokenizer, wide = tiny_tokenizer(), tiny_catalogue(sizes=(900, 900))
    model = tiny_model(len(tokenizer))
    with torch.no_grad():
        model.get_input_embeddings().weight[:] *= torch.linspace(0.1, 3, 16)
    known = model.get_input_embeddings().weight.detach().clone()
    vocabulary = add_sid_tokens(model, tokenizer, wide, "noise", [], 0)
    rows = model.get_input_embeddings().weight[vocabulary.first : vocabulary.size]
    torch.testing.assert_close(rows.std(0), known.std(0), rtol=0.1, atol=0)
    torch.testing.assert_close(rows.mean(0), known.mean(0), rtol=0, atol=0.2)


@pytest.mark.parametrize("tied", [True, False])
def test_a_described_code_starts_near_the_words_of_its_items(tied: bool) -> None:
    codes = np.array([[0, 0], [0, 1], [1, 2], [1, 3]], np.int32)
    texts = ["the great war", "another war", "love", "mad love, war"]
    catalogue = Catalogue(list("abcd"), codes, (3, 5), list("abcd"))
    tokenizer = tiny_tokenizer("word_level")
    model = tiny_model(len(tokenizer), tied)
    vocabulary = add_sid_tokens(model, tokenizer, catalogue, "description", texts, 0)
    words = describe(catalogue, texts, tokenizer, terms=1)
    war, love = tokenizer.convert_tokens_to_ids(["war", "love"])
    assert words[0] == [war]
    assert words[1] == words[3 + 2] == [love]
    assert 2 not in words  # a code without items
    for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        spread = table[: vocabulary.first].std(0)
        assert ((table[vocabulary.first + 3 + 2] - table[love]).abs() < 0.5 * spread).all()
        assert not torch.equal(table[vocabulary.first + 3 + 2], table[love])


def test_describe_ranks_by_tf_idf_among_the_codes_of_a_level() -> None:
    codes = np.array([[0], [0], [0], [1]], np.int32)
    catalogue = Catalogue(list("abcd"), codes, (2,), list("abcd"))
    tokenizer = tiny_tokenizer("word_level")
    # "film" is everywhere, "war" in two of the three items of code 0, "person" in one.
    texts = ["film war", "film war person", "film", "film love"]
    words = describe(catalogue, texts, tokenizer, terms=2)
    film, war, love = tokenizer.convert_tokens_to_ids(["film", "war", "love"])
    assert words[0] == [war, film] or words[0] == [film, war]
    assert words[1] == [love, film]
    assert describe(catalogue, ["", "", "", ""], tokenizer) == {}
    with pytest.raises(ValueError, match="3 descriptions were given of 4 items"):
        describe(catalogue, texts[:3], tokenizer)


def test_the_same_seed_gives_the_same_vectors_and_another_gives_others() -> None:
    def start(seed: int) -> torch.Tensor:
        tokenizer = tiny_tokenizer()
        model = tiny_model(len(tokenizer))
        add_sid_tokens(model, tokenizer, CATALOGUE, "description", CATALOGUE.titles, seed)
        return model.get_input_embeddings().weight

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))


def test_the_generation_config_of_the_base_is_forgotten_but_for_its_ends() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    model.generation_config = GenerationConfig(top_k=3, repetition_penalty=1.5, eos_token_id=[1, 4])
    add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0)
    assert model.generation_config.repetition_penalty is None
    assert model.generation_config.top_k is None
    assert model.generation_config.eos_token_id == [1, 4]


def test_a_base_with_all_sid_tokens_keeps_them() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    first = add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0)
    rows = model.get_input_embeddings().weight.detach().clone()
    assert add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 1) == first
    assert torch.equal(model.get_input_embeddings().weight, rows)


def test_a_model_without_rows_for_the_sid_tokens_of_its_tokenizer_gets_them() -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer))
    vocabulary = add_sid_tokens(tiny_model(len(tokenizer)), tokenizer, CATALOGUE, "noise", [], 0)
    assert add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0) == vocabulary
    rows = model.get_input_embeddings().weight.detach()
    assert len(rows) == vocabulary.size
    assert rows[vocabulary.first :].std() == pytest.approx(float(rows[: vocabulary.first].std()), rel=0.3)


@pytest.mark.parametrize(
    "own",
    [
        SIDVocabulary(SIZES).tokens()[:3],
        SIDVocabulary(SIZES).tokens()[::-1],
        [*SIDVocabulary(SIZES).tokens(), "<d_0>"],
        ["<a_0>", "between", *SIDVocabulary(SIZES).tokens()[1:]],
    ],
    ids=["some", "out of order", "more", "with a gap"],
)
def test_a_base_with_other_sid_tokens_is_refused_in_one_line(own: list[str]) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in own])
    model = tiny_model(len(tokenizer))
    with pytest.raises(
        ArtifactError, match=r"SID tokens of its own, beginning with <._\d>; they are not the 12"
    ) as error:
        add_sid_tokens(model, tokenizer, CATALOGUE, "noise", [], 0)
    assert len(error.value.problems) == 1
    assert error.value.remedy
