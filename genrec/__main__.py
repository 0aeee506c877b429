"""``python -m genrec`` and ``accelerate launch -m genrec`` run the command line."""

from genrec.cli.app import main

if __name__ == "__main__":
    main()
