"""The warnings that fastlr issues about a result, each naming the line of the caller."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PASSED_THROUGH = ("fastlr", "numpy")           # NumPy's errstate decorates functions of this package


class ConvergenceWarning(UserWarning):
    """Warning that the parameters are not the optimum that was asked for; its text says why and what to do."""


class SeparationWarning(ConvergenceWarning):
    """Warning that the features separate the classes, so that no finite optimum exists."""


_held: ContextVar[list[Warning] | None] = ContextVar("held", default=None)


@contextmanager
def held_back() -> Iterator[list[Warning]]:
    """Collect ConvergenceWarnings in a list in place of issuing them, for a caller that issues them under another name."""
    held: list[Warning] = []
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)


def warn(warning: Warning) -> None:
    """Issue a warning that names the caller's line: the innermost line on the stack outside this package."""
    held = _held.get()
    if held is not None and isinstance(warning, ConvergenceWarning):
        held.append(warning)
        return
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED_THROUGH and frame.f_back is not None:
        frame = frame.f_back
    warnings.warn_explicit(warning, type(warning), frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__"),
                           frame.f_globals.setdefault("__warningregistry__", {}))
