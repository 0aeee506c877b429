"""A recommender over every kind of generator: sessions, events, and histories of any length."""

from __future__ import annotations

import numpy as np
import pytest

from genrec.console import remark_once
from genrec.decoding import Recommender
from genrec.errors import ArtifactError
from genrec.models import (
    DecoderConfig,
    Events,
    Generator,
    build_generator,
)
from genrec.models.onerec.config import EncoderDecoderConfig, HistoryConfig, LazyDecoderConfig
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes

SIZES = (5, 4, 3)
HISTORY = HistoryConfig(item_embeddings=True)
CONFIGS = {
    "decoder": DecoderConfig(hidden_size=32, intermediate_size=48, heads=2),
    "encoder_decoder": EncoderDecoderConfig(hidden_size=32, intermediate_size=48, history=HISTORY),
    "lazy_decoder": LazyDecoderConfig(hidden_size=32, intermediate_size=48, history=HISTORY),
}
EMPTY = np.array([], dtype=np.int64)


def catalogue(items: int = 40, prefix: str = "i") -> Catalogue:
    codes = random_codes(SIZES, 40, np.random.default_rng(0))[:items]
    names = [f"{prefix}{row}" for row in range(items)]
    return Catalogue(names, codes, SIZES, names)


def spread(generator: Generator) -> Generator:
    """Give random weights that do not all say the same."""
    for parameter in generator.model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3)
    generator.model.eval()
    return generator


def recommender(kind: str, session: int = 3, history: int = 4) -> Recommender:
    generator = build_generator(CONFIGS[kind], catalogue(), history, session_length=session)
    return Recommender(spread(generator), batch_size=2)


@pytest.fixture(autouse=True)
def nothing_said_yet() -> None:
    remark_once.cache_clear()


@pytest.mark.parametrize("kind", CONFIGS)
def test_batches_of_sessions_are_those_of_the_requests(kind: str) -> None:
    served = recommender(kind)
    histories = [np.array([1, 2, 3]), EMPTY, np.array([7])]
    found = served.sessions(histories, 3, k=2, beams=12, exclude=histories)
    assert found.items.shape == found.item_scores.shape == (3, 2, 3)
    for row, history in enumerate(histories):
        one = served.sessions([history], 3, k=2, beams=12, exclude=[history])
        np.testing.assert_array_equal(found.items[row], one.items[0])
        np.testing.assert_allclose(found.scores[row], one.scores[0], rtol=0, atol=1e-4)
        assert not set(history.tolist()) & set(found.items[row].ravel().tolist())
        assert all(len(set(session)) == 3 for session in found.items[row].tolist())
    single = served.sessions(histories, 1, k=5, beams=12)
    np.testing.assert_array_equal(single.items[:, :, 0], served.recommend(histories, 5, beams=12).items)
    assert served.sessions([], 3, k=2).items.shape == (0, 2, 3)


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_empty_history_gets_the_cold_start_answer(kind: str) -> None:
    served = recommender(kind)
    found = served.recommend([EMPTY, Events(EMPTY), np.array([3])], 5)
    assert (found.items >= 0).all()
    np.testing.assert_array_equal(found.items[0], found.items[1])
    assert found.scores[0].tolist() != found.scores[2].tolist()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_long_history_is_cut_at_its_old_end_with_one_remark(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    served = recommender(kind, history=4)
    long, short = np.arange(30), np.arange(26, 30)
    assert served.recommend([short], 5).items.tolist() == served.recommend([long], 5).items.tolist()
    assert capsys.readouterr().err == "The generator reads the latest 4 events of a history; longer ones are cut.\n"
    assert served.sessions([Events(long)], 2).items.tolist() == served.sessions([short], 2).items.tolist()
    assert capsys.readouterr().err == ""


def test_a_decoder_reads_less_history_where_a_session_needs_its_positions() -> None:
    served = recommender("decoder", session=1, history=4)  # positions for five items and BOS
    histories = [np.arange(30)]
    found = served.sessions(histories, 3)
    latest = served.sessions([np.array([28, 29])], 3)
    np.testing.assert_array_equal(found.items, latest.items)
    with pytest.raises(ArtifactError, match="no history would fit"):
        served.sessions(histories, 5)


@pytest.mark.parametrize("kind", ["encoder_decoder", "lazy_decoder"])
def test_sessions_that_were_not_trained_are_refused_with_the_remedy(kind: str) -> None:
    with pytest.raises(ArtifactError, match=r"one item at a time, not sessions of 2.*\n.*train.target=session"):
        recommender(kind, session=1).sessions([EMPTY], 2)
    with pytest.raises(ArtifactError, match="sessions of 3 items, not sessions of 4"):
        recommender(kind, session=3).sessions([EMPTY], 4)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("item", [-1, 40])
def test_an_item_that_does_not_exist_is_refused(kind: str, item: int) -> None:
    with pytest.raises(ValueError, match="outside 0 … 39"):
        recommender(kind).recommend([EMPTY, np.array([2, item])])


@pytest.mark.parametrize("kind", ["encoder_decoder", "lazy_decoder"])
def test_other_versions_of_the_catalogue_and_places_for_new_items(kind: str) -> None:
    served = recommender(kind)
    served = Recommender(Generator(served.generator.model, catalogue(30), 4))  # the model has 40 rows of items
    pinned, history = served.pinned(), [np.array([3, 5])]
    before = pinned.recommend(history, 5)
    served.use(catalogue(40))
    found = served.recommend([np.array([3, 35])], 6, new_places=2)
    assert (found.items[0] >= 30).sum() >= 2
    assert (served.sessions(history, 3, k=2).items >= 0).all()
    np.testing.assert_array_equal(pinned.recommend(history, 5).items, before.items)


def test_a_generator_saved_and_loaded_finds_the_same_sessions(tmp_path: object) -> None:
    served = recommender("encoder_decoder")
    served.generator.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path, device="cpu")
    histories = [np.array([1, 2, 3]), EMPTY]
    first, second = served.sessions(histories, 3, k=2), loaded.sessions(histories, 3, k=2)
    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.scores, second.scores)
