"""New items in a catalogue: free IDs near their vectors, nobody else's moves, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError, DataError
from genrec.semantic_ids import Catalogue, CatalogueStore, Snapshot
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.lifecycle import add_items, assign_ids, read_new_items
from genrec_tokenizers.lifecycle.free_ids import by_cost
from genrec_tokenizers.make import make_semantic_ids
from genrec_tokenizers.quantizers import ResidualKMeans
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log
from tests.tokenizers.test_make import settings as stage_settings

# Two levels of two codes: 0 and 10 on the first axis, then 0 and 1 on the second.
LEVELS = [np.array([[0, 0], [10, 0]], np.float32), np.array([[0, 0], [0, 1]], np.float32)]


def quantizer_of(codebooks: list[np.ndarray]) -> ResidualKMeans:
    quantizer = ResidualKMeans(tuple(map(len, codebooks)))
    return quantizer.restore({f"level_{n}": book for n, book in enumerate(codebooks, 1)}, codebooks[0].shape[1])


def snapshot_of(
    codes: list[list[int]], sizes: tuple[int, ...], retired: dict[str, list[int]] | None = None
) -> Snapshot:
    names = [f"old{row}" for row in range(len(codes))]
    gone = np.array(list((retired or {}).values()), np.int32).reshape(-1, len(sizes))
    catalogue = Catalogue(names, np.array(codes, np.int32).reshape(-1, len(sizes)), sizes, names)
    return Snapshot(None, catalogue, Catalogue(list(retired or {}), gone, sizes, list(retired or {})))  # type: ignore[arg-type]


def ids(vectors: list[list[float]], snapshot: Snapshot, *, names: list[str] | None = None, **how: bool) -> list:
    embeddings = np.array(vectors, np.float32)
    names = names or [f"new{row}" for row in range(len(vectors))]
    return assign_ids(names, embeddings, quantizer_of(LEVELS), snapshot, **how).tolist()


def test_a_new_item_gets_its_nearest_codes_and_the_smallest_free_number() -> None:
    taken = [[0, 0, 0], [0, 0, 2], [1, 1, 0]]
    assert ids([[0, 0], [0, 0], [9, 0], [10, 1]], snapshot_of(taken, (2, 2, 4))) == [
        *([0, 0, 1], [0, 0, 3]),  # two with equal codes are served in their order
        [1, 0, 0],
        [1, 1, 1],
    ]


def test_without_an_appended_level_a_taken_id_sends_it_to_the_next_in_cost() -> None:
    assert ids([[0, 0.1]], snapshot_of([[0, 0]], (2, 2))) == [[0, 1]]
    assert ids([[0, 0.1]], snapshot_of([[0, 0], [0, 1]], (2, 2))) == [[1, 0]]


def test_a_full_group_sends_it_to_the_next_codes_in_cost() -> None:
    full = [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert ids([[0, 0], [0, 0], [0, 0]], snapshot_of(full, (2, 2, 2))) == [[0, 1, 1], [1, 0, 0], [1, 0, 1]]


def test_a_retired_id_is_for_the_item_that_had_it_unless_reuse_is_asked_for() -> None:
    before = snapshot_of([[1, 1, 0]], (2, 2, 2), {"gone": [0, 0, 0]})
    assert ids([[0, 0]], before) == [[0, 0, 1]]
    assert ids([[0, 0]], before, reuse=True) == [[0, 0, 0]]
    assert ids([[10, 1], [0, 0]], before, names=["gone", "other"], reuse=True) == [[0, 0, 0], [0, 0, 1]]


def test_no_room_is_said_before_anything_is_searched() -> None:
    before = snapshot_of([[0, 0], [0, 1]], (2, 2), {"gone": [1, 0]})
    assert ids([[0, 0]], before) == [[1, 1]]
    with pytest.raises(DataError, match=r"room for 1 more items, not for 2[\s\S]*--reuse"):
        ids([[0, 0], [0, 0]], before)
    assert ids([[0, 0], [0, 0]], before, reuse=True) == [[1, 0], [1, 1]]
    assert ids([[0, 0], [0, 0]], before, names=["gone", "other"]) == [[1, 0], [1, 1]]


def test_codes_come_in_the_order_of_their_cost(rng: np.random.Generator) -> None:
    quantizer = quantizer_of([rng.normal(size=(size, 3)).astype(np.float32) for size in (4, 3, 5)])
    vector = rng.normal(size=3).astype(np.float32)
    found = list(by_cost(quantizer, vector))
    every = [(a, b, c) for a in range(4) for b in range(3) for c in range(5)]
    assert sorted(found) == every

    def cost(codes: tuple[int, ...]) -> float:
        # By the definition: what each prefix leaves over, squared, summed over the levels.
        prefixes = [np.array([codes[: level + 1]]) for level in range(3)]
        return sum(float(((vector - quantizer.decode(prefix)[0]) ** 2).sum()) for prefix in prefixes)

    costs = [cost(codes) for codes in found]
    assert costs == pytest.approx(sorted(costs), rel=1e-5)
    assert costs[0] < costs[-1]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ids_are_unique_and_retired_ones_are_left_alone(data: st.DataObject) -> None:
    sizes = data.draw(st.sampled_from([(3, 2), (3, 2, 3)]))
    grid = [list(codes) for codes in np.ndindex(*sizes)]
    order = data.draw(st.permutations(grid))
    taken = data.draw(st.integers(1, len(grid) - 1))
    retired = data.draw(st.integers(0, len(grid) - taken))
    room = len(grid) - taken - retired
    wanted = data.draw(st.integers(0, min(room, 6)))
    gone = {f"gone{row}": codes for row, codes in enumerate(order[taken : taken + retired])}
    returning = data.draw(st.integers(0, retired))
    before = snapshot_of(order[:taken], sizes, gone)
    drawn = np.random.default_rng(data.draw(st.integers(0, 99)))
    quantizer = quantizer_of([drawn.normal(size=(size, 2)).astype(np.float32) for size in (3, 2)])
    names = [*list(gone)[:returning], *(f"new{row}" for row in range(wanted))]
    codes = assign_ids(names, drawn.normal(size=(len(names), 2)).astype(np.float32), quantizer, before)
    assert codes[:returning].tolist() == list(gone.values())[:returning]
    assert unique_rows(np.concatenate([before.catalogue.codes, before.retired.codes[returning:], codes]))
    after = Catalogue(names, codes, sizes, names)  # which refuses codes outside their codebooks
    assert len(after) == returning + wanted


@pytest.fixture
def run(
    tmp_path: Path,
    tiny_encoder: Path,
    write_dataset: WriteDataset,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A run whose 40 items have IDs of text and behaviour."""
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    write_dataset(random_log(rng), item_titles(), genres=["any"] * 40)
    make_semantic_ids(stage_settings(tiny_encoder), tmp_path / "run", seed=0)
    return tmp_path / "run"


def new_items(*names: str) -> pl.DataFrame:
    return pl.DataFrame({"item_id": names, "title": [f"red fish {name}" for name in names], "genres": "any"})


def test_added_items_stand_after_the_others_whose_ids_stay(run: Path) -> None:
    before = CatalogueStore(run).snapshot().catalogue
    done = add_items(run, new_items("y", "x"), note="arrivals")
    after = CatalogueStore(run).snapshot()
    assert after.catalogue.item_ids == [*before.item_ids, "x", "y"]
    assert np.array_equal(after.catalogue.codes[:40], before.codes)
    assert unique_rows(after.catalogue.codes)
    assert after.catalogue.titles[-2:] == ["red fish x", "red fish y"]
    assert done.version == after.version
    assert (done.version.number, done.version.added, done.version.note) == (2, 2, "arrivals")
    assert done.items.codes.tolist() == after.catalogue.codes[40:].tolist()
    assert done.unknown == 0


def test_the_order_of_the_rows_does_not_matter(run: Path) -> None:
    one, other = (add_items(run, new_items(*names), dry_run=True).items for names in ("abc", "cab"))
    assert one.digest == other.digest
    assert not (run / "catalogue").exists()


def test_removed_and_added_again_an_item_has_its_old_id(run: Path) -> None:
    first = add_items(run, new_items("x")).items
    store = CatalogueStore(run)
    store.remove(["x"])
    stranger = add_items(run, new_items("x").with_columns(item_id=pl.lit("stranger")))
    assert stranger.items.codes.tolist() != first.codes.tolist()
    # Another title, and so other vectors: the ID is the one that people and logs knew it by.
    again = add_items(run, new_items("x").with_columns(title=pl.lit("old stone")))
    assert again.items.codes.tolist() == first.codes.tolist()
    store.rollback(2)
    assert store.snapshot().version.digest == store.history()[1].digest


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), st.booleans())
def test_whatever_comes_and_goes_nobody_elses_id_moves(run: Path, chosen: list[int], reuse: bool) -> None:
    store = CatalogueStore(run)
    before = store.snapshot()
    had = dict(zip(before.catalogue.item_ids, before.catalogue.codes.tolist(), strict=True))
    names = [f"new{number}" for number in chosen if f"new{number}" not in had]
    if names:
        add_items(run, new_items(*names), reuse=reuse)
    store.remove([names[0] if names else before.catalogue.item_ids[-1]])
    after = store.snapshot()
    has = dict(zip(after.catalogue.item_ids, after.catalogue.codes.tolist(), strict=True))
    assert all(has[item] == codes for item, codes in had.items() if item in has)
    assert unique_rows(np.concatenate([after.catalogue.codes, after.retired.codes]))


def test_an_item_that_nothing_is_known_of_is_counted(run: Path) -> None:
    done = add_items(run, pl.DataFrame({"item_id": ["x"]}), dry_run=True)
    assert done.unknown == 1
    assert done.items.titles == ["x"]


def test_columns_are_those_of_the_dataset(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = add_items(run, new_items("x"), dry_run=True).items
    assert capsys.readouterr().err.count("left aside") == 0
    more = new_items("x").select("genres", "title", "item_id", price=pl.lit("9"))
    assert add_items(run, more, dry_run=True).items.digest == plain.digest
    assert "left aside: price" in capsys.readouterr().err
    add_items(run, new_items("x").drop("genres"), dry_run=True)
    assert "have no genres" in capsys.readouterr().err


def test_all_that_is_wrong_with_new_items_is_said_at_once(run: Path) -> None:
    items = new_items("x", "x", "i001", "y").with_columns(
        item_id=pl.when(pl.col("item_id") != "y").then(pl.col("item_id"))
    )
    with pytest.raises(DataError, match=r"3 problems[\s\S]*1 new items have no item_id[\s\S]*'x'[\s\S]*'i001'"):
        add_items(run, items)
    with pytest.raises(DataError, match="no items to add"):
        add_items(run, items.head(0))
    assert not (run / "catalogue").exists()


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_new_items_are_read_from_any_kind_of_file(tmp_path: Path, ending: str) -> None:
    file, items = tmp_path / f"new.{ending}", new_items("7", "8")
    if ending == "parquet":
        items.write_parquet(file)
    elif ending == "jsonl":
        items.write_ndjson(file)
    else:
        items.write_csv(file, separator="," if ending == "csv" else "\t")
    read = read_new_items(file, snapshot_of([[0]], (2,)).catalogue)
    assert read.select(items.columns).equals(items)


def test_a_files_problems_are_reported_together_with_their_rows(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("item_id,title\na,One\n,Two\na,Three\nold0,Four\n")
    with pytest.raises(DataError) as caught:
        read_new_items(file, snapshot_of([[0]], (2,)).catalogue)
    text = str(caught.value)
    assert "3 problems" in text
    for word in ("row 3", "row 4 (item a)", "already: 'old0'", "Nothing was added"):
        assert word in text
    assert "data.problems" not in text


def test_a_file_without_item_id_or_no_file_is_one_message(tmp_path: Path) -> None:
    file, there = tmp_path / "new.csv", snapshot_of([[0]], (2,)).catalogue
    with pytest.raises(DataError, match="There is no file"):
        read_new_items(file, there)
    file.write_text("id,title\na,One\n")
    with pytest.raises(DataError, match="no column 'item_id'; it has: id, title"):
        read_new_items(file, there)


def test_items_of_a_dense_catalogue_find_free_ids(rng: np.random.Generator) -> None:
    """The dense case: a third of all IDs is taken, so that many items have to look further."""
    sizes = (32, 32, 32)
    every = np.stack(np.unravel_index(rng.permutation(32**3), sizes), axis=1).astype(np.int32)
    books = [rng.normal(size=(32, 8)).astype(np.float32) / 2**level for level in range(3)]
    names = [f"old{row}" for row in range(11_000)]
    before = Snapshot(
        None,  # type: ignore[arg-type]
        Catalogue(names, every[:11_000], sizes, names),
        Catalogue([], every[:0], sizes, []),
    )
    vectors = rng.normal(size=(1_000, 8)).astype(np.float32)
    found = assign_ids([f"new{row}" for row in range(1_000)], vectors, quantizer_of(books), before)
    assert unique_rows(np.concatenate([before.catalogue.codes, found]))


def test_another_writer_between_reading_and_writing_is_noticed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_items(run, new_items("x"))
    with monkeypatch.context() as patch:
        stale = CatalogueStore(run).snapshot(1)
        snapshots = iter([stale])
        whole = CatalogueStore.snapshot
        patch.setattr(CatalogueStore, "snapshot", lambda self, n=None: next(snapshots, None) or whole(self, n))
        with pytest.raises(DataError, match="in the catalogue already: 'x'"):
            add_items(run, new_items("x"))
    assert CatalogueStore(run).snapshot().version.number == 2


def test_without_the_dataset_the_verb_that_makes_it_is_named(run: Path) -> None:
    (run / "dataset" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="genrec data"):
        add_items(run, new_items("x"))
