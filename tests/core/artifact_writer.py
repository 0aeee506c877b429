"""Write the same artefact again and again until killed; every version's two files hold the same number.

python artifact_writer.py PATH FIRST
"""

import sys
from pathlib import Path

from genrec.runs import new_artifact


def main(path: Path, number: int) -> None:
    """Write version ``number`` and the ones after it."""
    while True:
        with new_artifact(path, "dataset", {"number": number}) as draft:
            (draft.path / "first.txt").write_text(str(number))
            (draft.path / "sub").mkdir()
            (draft.path / "sub" / "second.txt").write_text(str(number) * 20_000)
            draft.details["number"] = number
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
