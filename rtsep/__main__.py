"""``python -m rtsep``: the command line."""

from rtsep.cli import main

if __name__ == "__main__":
    main()
