"""Speed and memory of the k-means quantizers beside faiss, k-means-constrained, semantic-id and rectokens.

    python benchmarks/quantizers.py --json           # 1,000,000 × 384, 3 × 256: about 12 minutes on 2 CPU cores
    python benchmarks/quantizers.py --small --json   # under two minutes
    python benchmarks/quantizers.py --growth         # seconds an iteration as items and codes grow

The vectors: 20 items about each of items / 20 centres, with dimensions that matter less and less, written to a
safetensors file and mapped. Every measurement runs in a process of its own, one after the other; memory is that
process's peak resident set (VmHWM), imports included. What is compared:

* plain_vs_faiss: residual k-means from the file to the codes, all checks included, over faiss.Kmeans on the same
  vectors in memory, once a level, with the same iterations on all items; the median ratio of the rounds;
* balanced_vs_plain: the greedy balanced kind over the plain one at equal iterations;
* constrained_speedup: k-means-constrained over ours on 20,000 × 64 in 256 clusters, from the same centroids, with
  equally many assignments (the package makes one more than its max_iter); the objectives stand beside each other;
* encode_seconds_1m: frozen codebooks, 1,000,000 vectors; with --small scaled up from fewer;
* peak_over_embeddings: the larger peak of fitting and encoding over the size of the file.

The peers are not requirements of genrec; one that is missing is left out, with the line that installs it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrec_tokenizers.vectors import VectorWriter, chunks, open_vectors

DIM, LEVELS, CODES = 384, 3, 256
BLOCK = 10_000
Figures = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    items: int  # in the file: memory and encoding
    timed: int  # of these, fitted with all iterations
    iterations: int
    rounds: int  # of faiss and plain, taking turns
    assignments: int  # of constrained k-means
    peer_items: int


FULL = Size(1_000_000, 1_000_000, 20, 1, 3, 20_000)
SMALL = Size(500_000, 80_000, 20, 1, 2, 2_000)


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(CHILDREN[options.child](**json.loads(options.arguments))))
        return
    size = SMALL if options.small else FULL
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.safetensors"
        write_vectors(file, size.items)
        if options.growth:
            growth(open_vectors(file))
            return
        result = {**fitting(file, size), **constrained(size)}
        peers(file, size)
    if options.json:
        print(json.dumps({name: round(value, 3) if value else value for name, value in result.items()}))


def write_vectors(file: Path, items: int) -> None:
    """Write vectors about items / 20 centres, float32 [items, DIM], block by block."""
    rng = np.random.default_rng(0)
    weights = (0.99 ** np.arange(DIM)).astype(np.float32)
    centres = rng.standard_normal((max(1, items // 20), DIM), dtype=np.float32)
    with VectorWriter(file, items, DIM) as writer:
        for start in range(0, items, BLOCK):
            count = min(BLOCK, items - start)
            block = 0.7 * rng.standard_normal((count, DIM), dtype=np.float32)
            writer.write((block + centres[rng.integers(len(centres), size=count)]) * weights)


def fitting(file: Path, size: Size) -> Figures:
    """Measure faiss, the plain and the balanced quantizer, encoding, and memory."""
    timed = {"file": str(file), "items": size.timed, "iterations": size.iterations}
    turns = [(child("faiss", **timed), child("plain", **timed)) for _ in range(size.rounds)]
    balanced = child("balanced", **timed)
    whole = turns[-1][1]
    if size.items > size.timed:
        whole = child("plain", file=str(file), items=size.items, iterations=1)
    encoded = child("encode", file=str(file))
    plain = statistics.median(mine["seconds"] for _, mine in turns)
    peak = max(whole["peak"], encoded["peak"]) / (size.items * DIM * 4)
    scale = 1_000_000 / size.items
    print(f"{size.timed:,} × {DIM}, {LEVELS} × {CODES}, {size.iterations} iterations")
    print(f"  faiss.Kmeans alone     {statistics.median(theirs['seconds'] for theirs, _ in turns):8.1f} s")
    print(f"  plain                  {plain:8.1f} s   {_quality(turns[-1][1])}")
    print(f"  balanced               {balanced['seconds']:8.1f} s   {_quality(balanced)}")
    print(f"  balanced, peak         {balanced['peak'] / (size.timed * DIM * 4):8.2f} × the vectors")
    print(f"{size.items:,} × {DIM}")
    print(f"  encode                 {encoded['seconds']:8.1f} s")
    if scale != 1:
        print(f"  scaled to 1,000,000    {encoded['seconds'] * scale:8.1f} s   (not measured)")
    print(f"  fit and encode, peak   {peak:8.2f} × the vectors")
    return {
        "plain_vs_faiss": statistics.median(mine["seconds"] / theirs["seconds"] for theirs, mine in turns),
        "balanced_vs_plain": balanced["seconds"] / plain,
        "encode_seconds_1m": encoded["seconds"] * scale,
        "peak_over_embeddings": peak,
    }


def constrained(size: Size) -> Figures:
    """Measure constrained k-means beside the package; no speed-up where the package is missing."""
    mine = child("constrained", assignments=size.assignments)
    print(f"20,000 × 64 in {CODES} clusters of equal size, {size.assignments} assignments")
    print(f"  constrained            {mine['seconds']:8.2f} s   squared error {mine['error']:,.0f}")
    if not _installed("k_means_constrained", "k-means-constrained"):
        return {"constrained_speedup": None}
    theirs = child("constrained_package", assignments=size.assignments)
    gap = 100 * (mine["error"] / theirs["error"] - 1)
    print(
        f"  k-means-constrained    {theirs['seconds']:8.2f} s   squared error {theirs['error']:,.0f} ({gap:+.3f} %)"
    )
    return {"constrained_speedup": theirs["seconds"] / mine["seconds"]}


def peers(file: Path, size: Size) -> None:
    """Print error and collisions of the peers' residual k-means on the same vectors."""
    work = {"file": str(file), "items": size.peer_items, "iterations": size.iterations}
    print(f"{size.peer_items:,} × {DIM}, {LEVELS} × {CODES}, {size.iterations} iterations")
    found = {"plain": "genrec"}
    if _installed("semantic_id", "semantic-id==0.2.5"):
        found["semantic_id"] = "semantic-id"
    if _installed("rectokens", "rectokens==0.2.2"):
        found["rectokens"] = "rectokens"
    for name, shown in found.items():
        figures = child(name, **work)
        print(f"  {shown:22} {figures['seconds']:8.1f} s   {_quality(figures)}")


def child(name: str, **arguments: object) -> Figures:
    """Run one measurement in a process of its own and return its figures."""
    command = [sys.executable, __file__, "--child", name, "--arguments", json.dumps(arguments)]
    # rectokens decorates its methods with torch.compile, which needs a C++ compiler.
    environment = {**os.environ, "TORCH_COMPILE_DISABLE": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def _faiss(file: str, items: int, iterations: int) -> Figures:
    import faiss

    vectors = np.array(open_vectors(Path(file))[:items])
    started = time.perf_counter()
    for level in range(LEVELS):
        faiss.Kmeans(DIM, CODES, niter=iterations, seed=level, max_points_per_centroid=items).train(vectors)
    return {"seconds": time.perf_counter() - started}


def _plain(file: str, items: int, iterations: int) -> Figures:
    from genrec_tokenizers.quantizers import ResidualKMeans

    return _fit(ResidualKMeans((CODES,) * LEVELS, iterations), file, items)


def _balanced(file: str, items: int, iterations: int) -> Figures:
    from genrec_tokenizers.quantizers.balanced_kmeans import BalancedKMeans

    return _fit(BalancedKMeans((CODES,) * LEVELS, iterations), file, items)


def _fit(quantizer: Any, file: str, items: int) -> Figures:
    vectors = open_vectors(Path(file))[:items]
    started = time.perf_counter()
    codes = quantizer.fit_encode(vectors)
    seconds, peak = time.perf_counter() - started, _peak()
    if quantizer.kind == "residual_kmeans":
        quantizer.save_pretrained(Path(file).parent)
    return {"seconds": seconds, "peak": peak, **_figures(vectors, codes, quantizer.decode)}


def _encode(file: str) -> Figures:
    from genrec_tokenizers.quantizers import ResidualKMeans

    quantizer = ResidualKMeans.from_pretrained(Path(file).parent)
    started = time.perf_counter()
    quantizer.encode(open_vectors(Path(file)))
    return {"seconds": time.perf_counter() - started, "peak": _peak()}


def _blobs() -> tuple[np.ndarray, np.ndarray]:
    """Return 20,000 × 64 vectors about 500 centres, and 256 of them to start from."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((500, 64), dtype=np.float32)
    vectors = centres[rng.integers(500, size=20_000)] + 0.7 * rng.standard_normal((20_000, 64), dtype=np.float32)
    return vectors, vectors[rng.choice(20_000, CODES, replace=False)]


def _constrained(assignments: int) -> Figures:
    from genrec_tokenizers.quantizers.constrained_kmeans import constrain

    vectors, start = _blobs()
    started = time.perf_counter()
    _, labels = constrain(vectors, start, assignments)
    return {"seconds": time.perf_counter() - started, "error": _within(vectors, labels)}


def _constrained_package(assignments: int) -> Figures:
    from k_means_constrained import KMeansConstrained

    vectors, start = _blobs()
    low, high = len(vectors) // CODES, -(-len(vectors) // CODES)
    model = KMeansConstrained(
        CODES, size_min=low, size_max=high, init=start.astype(np.float64), n_init=1, max_iter=assignments - 1, tol=0
    )
    started = time.perf_counter()
    labels = model.fit_predict(vectors)
    return {"seconds": time.perf_counter() - started, "error": _within(vectors, labels)}


def _within(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Return the squared distances of all vectors from the mean of their cluster."""
    return float(
        sum(np.square(own - own.mean(axis=0)).sum() for own in (vectors[labels == k] for k in set(labels)))
    )


def _semantic_id(file: str, items: int, iterations: int) -> Figures:
    from semantic_id import RQKMeans

    vectors = np.array(open_vectors(Path(file))[:items])
    started = time.perf_counter()
    model = RQKMeans(LEVELS, CODES, max_iter=iterations, n_init=1, random_state=0).fit(vectors)
    codes = model.encode(vectors)
    return {"seconds": time.perf_counter() - started, **_figures(vectors, codes, model.decode)}


def _rectokens(file: str, items: int, iterations: int) -> Figures:
    import torch
    from rectokens.core.tokenizer import TokenSequence
    from rectokens.tokenizers.rq_kmeans import RQKMeansTokenizer

    vectors = np.array(open_vectors(Path(file))[:items])
    started = time.perf_counter()
    model = RQKMeansTokenizer(LEVELS, CODES, DIM, seed=0)
    for _ in range(iterations):
        model.fit_step(torch.from_numpy(vectors))
    codes = model.encode(torch.from_numpy(vectors)).codes.numpy()
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        **_figures(vectors, codes, lambda c: model.decode(TokenSequence(codes=torch.from_numpy(c)))),
    }


def _figures(vectors: np.ndarray, codes: np.ndarray, decode: Callable[[np.ndarray], Any]) -> Figures:
    """Return the share of the variance that codes leave, and of items whose codes another item has too."""
    mean, left, all_of_it = np.zeros(DIM), 0.0, 0.0
    for part in chunks(vectors):
        mean += vectors[part].sum(axis=0, dtype=np.float64) / len(vectors)
    for part in chunks(vectors):
        left += float(np.square(vectors[part] - np.asarray(decode(codes[part]))).sum(dtype=np.float64))
        all_of_it += float(np.square(vectors[part] - mean.astype(np.float32)).sum(dtype=np.float64))
    counts = np.unique(codes.astype(np.int64) @ [CODES**2, CODES, 1], return_counts=True)[1]
    return {"error": left / all_of_it, "shared": float(1 - (counts == 1).sum() / len(codes))}


def _quality(figures: Figures) -> str:
    return f"error left {100 * figures['error']:.2f} %, items sharing codes {100 * figures['shared']:.2f} %"


def growth(vectors: np.memmap, budget: float = 100) -> None:
    """Print seconds an iteration of one level; cells expected to take over ``budget`` seconds are left out."""
    print(
        f"Seconds an iteration of one level (a dash: over {budget:.0f} s are expected, or it is not made for that)"
    )
    print(f"{'items':>10} {'codes':>6} {'plain':>9} {'balanced':>9} {'constrained':>12}")
    rates: dict[tuple[str, int], float] = {}  # seconds for an item and a code, by kind and codes
    for items in (10_000, 100_000, 1_000_000):
        if items > len(vectors):
            continue
        data = np.array(vectors[:items])
        for codes in (256, 1024, 8192):
            cells = [_cell(name, run, data, codes, rates, budget) for name, run in ITERATIONS.items()]
            print(
                f"{items:10,} {codes:6,} "
                + " ".join(f"{cell:>{w}}" for cell, w in zip(cells, (9, 9, 12), strict=True))
            )
    for codes in (256, 8192):
        cost = 1e7 * codes * rates["plain", codes], 1e7 * codes * rates["balanced", codes]
        hours = [each * LEVELS * 25 / 3600 for each in cost]
        print(
            f"planned, 10,000,000 × {DIM}, {LEVELS} × {codes:,}, 25 iterations, one machine like this one, ", end=""
        )
        print(f"at the last measured rates: plain {hours[0]:.1f} h, balanced {hours[1]:.1f} h, ", end="")
        print(f"and {1.1e7 * DIM * 4 / 2**30:.0f} GiB of memory for the plain one")


def _cell(
    name: str,
    run: Callable[[np.ndarray, int], None],
    data: np.ndarray,
    codes: int,
    rates: dict[tuple[str, int], float],
    budget: float,
) -> str:
    too_large = name == "constrained" and (len(data) * codes > 2**29 or codes > 1024)
    if too_large or len(data) * codes * rates.get((name, codes), 0) > budget:
        return "–"
    started = time.perf_counter()
    run(data, codes)
    seconds = time.perf_counter() - started
    rates[name, codes] = seconds / (len(data) * codes)
    return f"{seconds:.2f}"


def _plain_iteration(data: np.ndarray, codes: int) -> None:
    import faiss

    limits = {"min_points_per_centroid": 1, "max_points_per_centroid": len(data)}
    faiss.Kmeans(DIM, codes, niter=1, **limits).train(data)


def _balanced_iteration(data: np.ndarray, codes: int) -> None:
    from genrec_tokenizers.quantizers.balanced_kmeans import greedy_round

    greedy_round(data, np.einsum("ij,ij->i", data, data), data[:codes])


def _constrained_iteration(data: np.ndarray, codes: int) -> None:
    from genrec_tokenizers.quantizers.constrained_kmeans import constrain

    constrain(data, data[:codes], 1)


ITERATIONS = {
    "plain": _plain_iteration,
    "balanced": _balanced_iteration,
    "constrained": _constrained_iteration,
}
CHILDREN: dict[str, Callable[..., Figures]] = {
    "faiss": _faiss,
    "plain": _plain,
    "balanced": _balanced,
    "encode": _encode,
    "constrained": _constrained,
    "constrained_package": _constrained_package,
    "semantic_id": _semantic_id,
    "rectokens": _rectokens,
}


def _peak() -> int:
    """Return this process's peak resident memory since its start, bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _installed(module: str, package: str) -> bool:
    if importlib.util.find_spec(module):
        return True
    print(f"  {package} is not installed, so it is left out: pip install {package}")
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="fewer vectors and rounds: under two minutes")
    parser.add_argument("--growth", action="store_true", help="only the table of items and codes")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--arguments", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
