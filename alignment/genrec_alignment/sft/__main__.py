"""``python -m genrec_alignment.sft`` is ``genrec tune``, for launchers that want a module of their own."""

import sys

from genrec.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "tune")
    main()
