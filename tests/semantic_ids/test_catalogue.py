"""The catalogue: what it promises about its arrays, and its trip to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genrec.errors import ArtifactError, UnknownNameError
from genrec.semantic_ids import Catalogue
from genrec.semantic_ids.catalogue import unique_rows


def small() -> Catalogue:
    codes = np.array([[0, 1], [2, 0], [0, 0]], dtype=np.int32)
    return Catalogue(["50", "7", "ä/ö"], codes, (3, 2), ["Star Wars", "Babe", "ä/ö"])


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    small().save(tmp_path / "new" / "folder")
    again = Catalogue.load(tmp_path / "new" / "folder")
    assert again.item_ids == small().item_ids
    assert again.titles == small().titles
    assert again.codebook_sizes == small().codebook_sizes
    assert again.codes.dtype == np.int32
    assert np.array_equal(again.codes, small().codes)


def test_ids_tokens_and_text_of_an_item() -> None:
    catalogue = small()
    assert len(catalogue) == 3
    assert catalogue.indices(["7", "50"]).tolist() == [1, 0]
    assert catalogue.tokens.tolist() == [[3, 7], [5, 6], [3, 6]]
    assert catalogue.sid(1) == "<a_2><b_0>"
    assert catalogue.vocabulary.size == 3 + 3 + 2


def test_an_unknown_item_gets_suggestions() -> None:
    catalogue = Catalogue(["item-17", "item-18"], np.array([[0], [1]], dtype=np.int32), (2,), ["A", "B"])
    with pytest.raises(UnknownNameError, match=r"Unknown item 'item17'\. Did you mean 'item-17'"):
        catalogue.indices(["item17"])


@pytest.mark.parametrize(
    ("codes", "sizes", "titles"),
    [
        ([[0, 1], [2, 0]], (3, 2), ["a", "b", "c"]),  # an item without codes
        ([[0, 1], [2, 0], [0, 0]], (3,), ["a", "b", "c"]),  # a level without a size
        ([[0, 1], [2, 0], [0, 0]], (3, 2), ["a"]),  # items without titles
        ([[0, 1], [3, 0], [0, 0]], (3, 2), ["a", "b", "c"]),  # a code beyond its codebook
        ([[0, 1], [-1, 0], [0, 0]], (3, 2), ["a", "b", "c"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(codes: list, sizes: tuple, titles: list) -> None:
    with pytest.raises(ValueError, match=r"must be|outside"):
        Catalogue(["a", "b", "c"], np.array(codes, dtype=np.int32), sizes, titles)


@pytest.mark.parametrize("name", ["codes.safetensors", "items.parquet", "vocabulary.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_a_damaged_folder_is_an_artifact_error(tmp_path: Path, name: str, damage: str) -> None:
    small().save(tmp_path)
    file = tmp_path / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-9] if damage == "cut" else b"not this")
    with pytest.raises(ArtifactError, match="holds no readable catalogue"):
        Catalogue.load(tmp_path)


def test_files_of_two_catalogues_do_not_mix(tmp_path: Path) -> None:
    small().save(tmp_path)
    Catalogue(["1"], np.array([[0]], dtype=np.int32), (1,), ["x"]).save(tmp_path / "other")
    (tmp_path / "other" / "codes.safetensors").replace(tmp_path / "codes.safetensors")
    with pytest.raises(ArtifactError, match="holds no readable catalogue"):
        Catalogue.load(tmp_path)


def test_the_digest_is_of_the_contents_and_of_all_of_them(tmp_path: Path) -> None:
    first = small()
    first.save(tmp_path)
    assert Catalogue.load(tmp_path).digest == first.digest
    others = [
        Catalogue(["50", "7", "x"], first.codes, (3, 2), first.titles),
        Catalogue(first.item_ids, first.codes[::-1].copy(), (3, 2), first.titles),
        Catalogue(first.item_ids, first.codes, (3, 3), first.titles),
        Catalogue(first.item_ids, first.codes, (3, 2), ["Star Wars", "Babe", "x"]),
        first.take(np.array([1, 0, 2])),
    ]
    assert len({other.digest for other in [first, *others]}) == 6


def test_items_are_taken_out_and_put_after_the_others() -> None:
    taken = small().take(np.array([2, 0]))
    assert (taken.item_ids, taken.codes.tolist()) == (["ä/ö", "50"], [[0, 0], [0, 1]])
    whole = taken.extended(small().take(np.array([1])))
    assert whole.item_ids == ["ä/ö", "50", "7"]
    assert whole.titles == ["ä/ö", "Star Wars", "Babe"]
    assert whole.codes.tolist() == [[0, 0], [0, 1], [2, 0]]
    assert len(small().take(np.arange(0))) == 0


def test_unique_rows() -> None:
    assert unique_rows([[0, 1], [1, 0]])
    assert not unique_rows(np.array([[0, 1], [1, 0], [0, 1]]))
