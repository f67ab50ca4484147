"""The command `slidr`, also `python -m slidr`."""

import sys

from contracts.errors import SlidrError
from slidr.commands import app


def main() -> None:
    """Run the command line. An error that SLIDR raises on purpose is one message and an exit code, no stack trace."""
    try:
        app(prog_name="slidr")
    except SlidrError as error:
        print(f"slidr: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
