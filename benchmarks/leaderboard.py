"""docs/results/leaderboard.json and docs/leaderboard.md, from the results files of runs.

    genrec data --run runs/demo
    genrec evaluate --run runs/demo --protocol movielens-100k 'evaluate.baselines=[popularity, transitions, ease]'
    python benchmarks/leaderboard.py runs/demo …            # verify, add their rows, write both files
    python benchmarks/leaderboard.py                        # the page again, from the file

Rows that are there stay, unless the same protocol, model and seed come again. `docs/results/generators.json`, which
benchmarks/generators.py writes with the settings of the tiger protocols, is read as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from genrec_eval.leaderboard import METRICS, Row, as_markdown, leaderboard, rows_of

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Leaderboard

Every figure is the mean over seeds ± standard deviation, on all users of the test part, every item ranked. Written
by `python benchmarks/leaderboard.py`; each row's command and commit stand in
[leaderboard.json](results/leaderboard.json), which holds every seed. "Settings tried" is the budget: how many were
compared on the validation part. Rows of one seed say nothing of other seeds. What a protocol says is in
[evaluation](evaluation.md#protocols).

"""


def main() -> None:
    """Gather the rows and write the file and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="run folders that were evaluated by a protocol")
    parser.add_argument("--file", type=Path, default=ROOT / "docs" / "results" / "leaderboard.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "leaderboard.md")
    parser.add_argument("--generators", type=Path, default=ROOT / "docs" / "results" / "generators.json")
    options = parser.parse_args()
    kept = json.loads(options.file.read_text(encoding="utf-8"))["rows"] if options.file.is_file() else []
    rows = [*kept, *_generators(options.generators), *(row for run in options.runs for row in rows_of(run))]
    unique = {(row["protocol"], row["model"], row["seed"]): row for row in rows}
    table = leaderboard(unique.values())
    rows = [unique[key] for key in sorted(unique)]
    options.file.write_text(json.dumps({"table": table, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    options.page.write_text(HEAD + as_markdown(table), encoding="utf-8")
    print(as_markdown(table))


def _generators(file: Path) -> list[Row]:
    """Return the rows of benchmarks/generators.py, measured as the tiger protocols say."""
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return [
        {
            "protocol": f"tiger-{row['data']}",
            "model": row["model"],
            "seed": row["seed"],
            "command": "python benchmarks/generators.py "
            f"--data {row['data']} --model {row['model']} --seeds {row['seed']}",
            "commit": row.get("commit"),
            "settings_tried": 1,
            **{name: row[name] for name in METRICS if name in row},
        }
        for row in rows
        if row["model"] != "sasrec"
    ]


if __name__ == "__main__":
    main()
