"""The scorer as one ONNX file, run by onnxruntime: the same numbers, where there is no Python to port or trust.

A row of its inputs is an item of a list after what stands before it, as
:class:`~genrec_alignment.reranking.batches.Window` describes them. A phone's runtime is fed the same five tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genrec.errors import ArtifactError, MissingPackageError
from genrec.reranking.marks import EARLIER, Float32, Int64, Past, pending
from genrec.reranking.scorer import ListScorer, Shape

INPUTS = ("vectors", "features", "events", "there", "position")
OUTPUT = "outcomes"
SHAPE = "genrec.shape"
INSTALL = "pip install 'genrec[onnx]'"
_REMEDY = "Export it again with genrec_alignment.reranking.onnx.export_onnx (docs/reranking.md)."


class OnnxScorer(ListScorer):
    """A scorer of a file that :func:`genrec_alignment.reranking.onnx.export_onnx` has written.

    Args:
        file: the ONNX file. It runs on one thread: a list is too little work to share.

    Raises:
        ArtifactError: if it is missing, broken, or another model.
        MissingPackageError: if onnxruntime is not installed.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError("onnxruntime", "Reading an ONNX file", INSTALL) from error
        if not file.is_file():
            raise ArtifactError(f"There is no file {file}.", _REMEDY)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            known = json.loads(self._session.get_modelmeta().custom_metadata_map[SHAPE])
            shape = Shape(**{**known, "features": tuple(known["features"])})
        except Exception as error:  # onnxruntime's errors have no common base but this
            raise ArtifactError(f"{file} is no re-ranker that can be read: {error}", _REMEDY) from error
        super().__init__(shape)

    def open(self, past: Past, vectors: Float32, features: Float32) -> Callable[[Int64], Float32]:
        """Return what gives the outcomes of one list after one past."""
        self.check(vectors, features)
        shown = np.concatenate([past.vectors, past.marks], axis=1)[-self.shape.past :]
        waiting = np.concatenate([vectors, np.tile(pending(), (len(vectors), 1))], axis=1)
        before = int((past.marks[:, EARLIER] == 0).sum())

        def outcomes(placed: Int64) -> Float32:
            orders, depth = placed.shape
            rows = orders * len(vectors)
            events = np.concatenate([np.broadcast_to(shown, (orders, *shown.shape)), waiting[placed]], axis=1)
            there = np.ones((rows, max(1, events.shape[1])), bool)
            if not events.shape[1]:  # the network reads one event at least: here one that is not there
                events, there = np.zeros((orders, 1, shown.shape[1]), np.float32), np.zeros_like(there)
            inputs = (
                np.tile(vectors, (orders, 1)),
                np.tile(features, (orders, 1)),
                np.repeat(events, len(vectors), axis=0),
                there,
                np.full(rows, np.log1p(before + depth), np.float32),
            )
            found = self._session.run([OUTPUT], dict(zip(INPUTS, inputs, strict=True)))[0]
            return np.asarray(found, np.float32).reshape(orders, len(vectors), 3)

        return outcomes
