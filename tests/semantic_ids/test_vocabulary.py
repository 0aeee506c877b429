"""The vocabulary of SID tokens and the Hugging Face tokenizer made from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.semantic_ids import SIDVocabulary
from genrec.semantic_ids.vocabulary import SPECIAL_TOKENS

sizes = st.lists(st.integers(1, 300), min_size=1, max_size=5).map(tuple)


@st.composite
def vocabularies_with_codes(draw: st.DrawFn) -> tuple[SIDVocabulary, np.ndarray]:
    """A vocabulary and codes [items, levels] that it can write."""
    vocabulary = SIDVocabulary(draw(sizes), first=draw(st.sampled_from([3, 0, 49_152])))
    one = st.tuples(*(st.integers(0, size - 1) for size in vocabulary.codebook_sizes))
    return vocabulary, np.array(draw(st.lists(one, min_size=1, max_size=10)), dtype=np.int32)


def test_the_layout_of_a_small_vocabulary() -> None:
    vocabulary = SIDVocabulary((2, 3))
    assert vocabulary.tokens() == ["<a_0>", "<a_1>", "<b_0>", "<b_1>", "<b_2>"]
    assert vocabulary.offsets.tolist() == [3, 5]
    assert (vocabulary.size, vocabulary.levels) == (8, 2)
    assert vocabulary.encode(np.array([[1, 2]])).tolist() == [[4, 7]]
    assert vocabulary.text([1, 2]) == "<a_1><b_2>"


@given(vocabularies_with_codes())
def test_tokens_go_there_and_back_and_levels_never_share_one(given_: tuple[SIDVocabulary, np.ndarray]) -> None:
    vocabulary, codes = given_
    tokens = vocabulary.encode(codes)
    assert np.array_equal(vocabulary.decode(tokens), codes)
    assert tokens.min() >= vocabulary.first
    assert tokens.max() < vocabulary.size
    level_of = np.searchsorted(vocabulary.offsets, tokens, side="right") - 1
    assert (level_of == np.arange(vocabulary.levels)).all()
    names = vocabulary.tokens()
    assert len(set(names)) == len(names) == vocabulary.size - vocabulary.first
    written = "".join(names[token - vocabulary.first] for token in tokens[0])
    assert written == vocabulary.text(codes[0])


@pytest.mark.parametrize("tokens", [[[5, 5]], [[3, 4]], [[2, 5]], [[3, 8]]])
def test_a_token_of_another_level_is_refused(tokens: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="outside the range of its level"):
        SIDVocabulary((2, 3)).decode(np.array(tokens))


@settings(deadline=None, max_examples=20)
@given(sizes, st.randoms(use_true_random=False))
def test_text_and_ids_agree_with_the_vocabulary(shape: tuple[int, ...], random: object) -> None:
    vocabulary = SIDVocabulary(shape)
    tokenizer = vocabulary.to_tokenizer()
    assert len(tokenizer) == vocabulary.size
    history = [[random.randrange(size) for size in shape] for _ in range(3)]
    expected = vocabulary.encode(np.array(history)).ravel().tolist()
    text = "".join(vocabulary.text(codes) for codes in history)
    assert tokenizer(text).input_ids == expected
    assert tokenizer.decode(expected) == text


def test_special_tokens_have_the_ids_the_vocabulary_promises() -> None:
    vocabulary = SIDVocabulary((4, 4))
    tokenizer = vocabulary.to_tokenizer()
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2]
    found = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert found == (vocabulary.pad_id, vocabulary.bos_id, vocabulary.eos_id)
    ids = [vocabulary.bos_id, *vocabulary.encode(np.array([1, 2])).tolist(), vocabulary.eos_id]
    assert tokenizer("<bos><a_1><b_2><eos>").input_ids == ids
    assert tokenizer.decode(ids) == "<bos><a_1><b_2><eos>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<a_1><b_2>"


def test_batches_are_padded_on_the_left() -> None:
    tokenizer = SIDVocabulary((4, 4)).to_tokenizer()
    batch = tokenizer(["<a_1><b_2>", "<a_0><b_0><a_3><b_3>"], padding=True)
    assert batch.input_ids == [[0, 0, 4, 9], [3, 7, 6, 10]]
    assert batch.attention_mask == [[0, 0, 1, 1], [1, 1, 1, 1]]


def test_auto_tokenizer_reads_what_was_saved(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    vocabulary = SIDVocabulary((12, 200))
    tokenizer = vocabulary.to_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "<a_11><b_199><a_0><b_10>"
    assert again(text).input_ids == tokenizer(text).input_ids == [14, 214, 3, 25]
    assert again.decode([14, 214, 3, 25]) == text
    assert again.padding_side == "left"
    assert (again.pad_token, again.bos_token, again.eos_token) == SPECIAL_TOKENS
    assert again.get_vocab() == tokenizer.get_vocab()


def test_an_unknown_code_does_not_pass_for_another() -> None:
    tokenizer = SIDVocabulary((4, 4)).to_tokenizer()
    ids = tokenizer("<a_1><b_77>").input_ids
    assert ids[0] == 4
    assert not set(ids[1:]) & set(range(3, 11))
