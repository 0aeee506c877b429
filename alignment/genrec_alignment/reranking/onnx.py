"""The scorer as one ONNX file, for devices that run neither Python nor torch."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from genrec.errors import MissingPackageError
from genrec.reranking.marks import MARKS
from genrec.reranking.onnx import INPUTS, INSTALL, OUTPUT, SHAPE
from genrec_alignment.reranking.batches import Window
from genrec_alignment.reranking.network import ScorerNetwork


class _Outcomes(nn.Module):
    """Probabilities in place of logits, tensors in place of a window."""

    def __init__(self, network: ScorerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, vectors: Tensor, features: Tensor, events: Tensor, there: Tensor, position: Tensor) -> Tensor:
        found: Tensor = self.network(Window(vectors, features, events, there, position)).sigmoid()
        return found


def export_onnx(network: ScorerNetwork, file: Path) -> None:
    """Write what :class:`genrec.reranking.onnx.OnnxScorer`, and every other ONNX runtime, reads.

    The inputs are those of a :class:`~genrec_alignment.reranking.batches.Window`, any number of rows, each with any
    number of events; the output is float32 [rows, 3], p(goes on), p(viewed), p(liked).

    Args:
        network: the trained scorer; it is not changed.
        file: a name that ends in ``.onnx``; what is there is replaced.

    Raises:
        MissingPackageError: if onnx or onnxscript are not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch's exporter needs it and says so less clearly)
    except ImportError as error:
        raise MissingPackageError(error.name or "onnx", "Writing an ONNX file", INSTALL) from error
    rows, events = torch.export.Dim("rows", min=1), torch.export.Dim("events", min=1)
    named = {"events": {0: rows, 1: events}, "there": {0: rows, 1: events}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter calls what torch itself has deprecated
        program = torch.onnx.export(
            _Outcomes(network).eval(),
            _example(network),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes={name: named.get(name, {0: rows}) for name in INPUTS},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, {SHAPE: json.dumps(asdict(network.shape))})
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    onnx.save(model, partial)
    partial.replace(file)


def _example(network: ScorerNetwork) -> tuple[Tensor, ...]:
    shape, rows, events = network.shape, 3, 4
    return (
        torch.zeros(rows, shape.dims),
        torch.zeros(rows, len(shape.features)),
        torch.zeros(rows, events, shape.dims + len(MARKS)),
        torch.ones(rows, events, dtype=torch.bool),
        torch.zeros(rows),
    )
