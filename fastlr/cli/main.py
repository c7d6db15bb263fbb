"""The fastlr command: errors in one line, and exit codes."""

import os
import sys
from collections.abc import Sequence

from fastlr.cli import commands as subcommands
from fastlr.cli.options import make_parser

# Characters of an error in the terminal, at most.
_LONGEST_LINE = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    options = parser.parse_args(arguments or ["--help"])
    if options.run is subcommands.train and options.learning_rate is not None and options.solver not in ("auto", "gd"):
        parser.error(f"--learning-rate belongs to --solver gd, not to {options.solver}")
    try:
        if sys.stdout is None:
            raise ValueError("standard output is closed")
        code: int | None = options.run(options)
        sys.stdout.flush()
        return code or 0
    except KeyboardInterrupt:
        print("fastlr: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _give_up_output()
        return 141
    except Exception as error:                  # a bad file can make NumPy and pyarrow raise anything
        if sys.flags.dev_mode:
            raise
        _give_up_output()
        print(f"fastlr: {_one_line(error)}", file=sys.stderr)
        return 1


def _give_up_output() -> None:
    """Drop output that can't be written; Python would try once more at exit, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(error: BaseException) -> str:
    text = str(error)[:4 * _LONGEST_LINE]
    if isinstance(error, OSError) and error.strerror is not None:
        text = error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
    text = "".join(mark if mark.isprintable() else " " for mark in text)        # it may quote a file that is not text
    return " ".join(text.split())[:_LONGEST_LINE] or type(error).__name__
