"""Packing: several rows in one block of tokens, none of which sees another.

Position ids start anew at every row. From them transformers makes attention that is block-diagonal
(``masking_utils.find_packed_sequence_indices``), but only where it gets no attention mask *and* no cache: the model
is to be called with ``use_cache=False``, or rows see each other without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from genrec.errors import MissingPackageError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    Rows = TypeVar("Rows", datasets.Dataset, datasets.IterableDataset)

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out
_BLOCKS_SHUFFLED = 256


class Fill(NamedTuple):
    """What packing came to.

    Args:
        rows: rows that were packed.
        blocks: blocks they fill.
        tokens: tokens in the blocks.
        rate: share of the blocks' room that is filled.
        cut: rows that were longer than a block.
    """

    rows: int
    blocks: int
    tokens: int
    rate: float
    cut: int


def pack(rows: Rows, length: int, seed: int, buffer: int = 2000) -> Rows:
    """Pack rows into blocks by best-fit decreasing, TRL's ``pack_dataset``.

    What is added to TRL's: a row longer than a block loses its oldest tokens, not its answer; labels that stop at a
    row's beginning; position ids; blocks in random order, since best-fit puts the short rows together at the end.

    Args:
        rows: ``input_ids`` and ``completion_mask``, as :func:`~genrec_alignment.tasks.task_rows` makes them.
        length: tokens of a block, at most.
        seed: of the blocks' order.
        buffer: rows that are packed together, and held in memory.

    Returns:
        ``input_ids``, ``labels`` (-100: not learned) and ``position_ids`` (0 at each row's first token), each int32
        [tokens of the block]; a stream for a stream.

    Raises:
        MissingPackageError: if TRL is not installed.
    """
    from datasets import Dataset, Features, List, Value

    try:
        from trl import pack_dataset
    except ImportError as error:
        raise MissingPackageError("trl", "Packing rows", "pip install 'genrec[align]'") from error
    columns = ["completion_mask", *(["task"] if "task" in (rows.column_names or ()) else [])]
    lists = List(Value("int32"))
    labelled = rows.with_format("arrow").map(
        _labelled,
        batched=True,
        batch_size=buffer,
        remove_columns=columns,
        fn_kwargs={"length": length},
        features=Features({"input_ids": lists, "labels": lists}),
    )
    packed = pack_dataset(labelled, length, "bfd", {"batch_size": buffer}).with_format("arrow")
    placed = packed.map(
        _placed,
        batched=True,
        remove_columns=["seq_lengths"],
        features=Features({"input_ids": lists, "labels": lists, "position_ids": lists}),
    ).with_format(None)
    if isinstance(placed, Dataset):
        return placed.shuffle(seed=seed)
    return placed.shuffle(seed=seed, buffer_size=_BLOCKS_SHUFFLED)


def measure_fill(rows: Rows, blocks: Rows, length: int) -> Fill:
    """Return how well rows were packed; reads both."""
    lengths = np.array([len(row["input_ids"]) for row in rows])
    filled = [len(block["input_ids"]) for block in blocks]
    room = max(1, len(filled) * length)
    return Fill(len(lengths), len(filled), sum(filled), sum(filled) / room, int((lengths > length).sum()))


def _labelled(table: pa.Table, length: int) -> pa.Table:
    """Return ``input_ids`` and ``labels`` of the last ``length`` tokens of each row."""
    ids, offsets = _flat(table["input_ids"])
    learned, _ = _flat(table["completion_mask"])
    places, sizes = _places(offsets), np.diff(offsets)
    kept = places >= np.repeat(np.maximum(sizes - length, 0), sizes)
    labels = np.where(learned == 1, ids, IGNORED).astype(np.int32)
    ends = np.concatenate([[0], np.cumsum(np.minimum(sizes, length))])
    # Nothing predicts the first token of a row: what stands before it in a block is another row's.
    labels, ids = labels[kept], ids[kept]
    labels[ends[:-1][np.diff(ends) > 0]] = IGNORED
    return _lists(ends, {"input_ids": ids, "labels": labels})


def _placed(table: pa.Table) -> pa.Table:
    """Return the table with ``position_ids`` in place of the lengths of the rows in each block."""
    sizes, _ = _flat(table["seq_lengths"])
    ids, offsets = _flat(table["input_ids"])
    places = _places(np.concatenate([[0], np.cumsum(sizes)])).astype(np.int32)
    return _lists(offsets, {"input_ids": ids, "labels": _flat(table["labels"])[0], "position_ids": places})


def _lists(offsets: npt.NDArray[np.integer], columns: dict[str, npt.NDArray[np.int32]]) -> pa.Table:
    import pyarrow as pa

    ends = offsets.astype(np.int32)
    return pa.table({name: pa.ListArray.from_arrays(ends, values) for name, values in columns.items()})


def _flat(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the values of a column of lists in a row, and where each list begins and the last one ends."""
    lists = column.combine_chunks()
    sizes = lists.value_lengths().to_numpy(zero_copy_only=False)
    return lists.flatten().to_numpy(), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _places(offsets: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return for each value its place in its list."""
    sizes = np.diff(offsets)
    return np.arange(offsets[-1], dtype=np.int64) - np.repeat(offsets[:-1], sizes)
