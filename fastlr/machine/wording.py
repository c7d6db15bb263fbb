"""Words of messages."""

from collections.abc import Callable, Sequence


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 feature", "2 features"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], most: int = 8, write: Callable[[str], str] = str) -> str:
    """Write names one behind the other, at most so many of them: "a, b and 3 more"."""
    more = len(names) - most
    return ", ".join(map(write, names[:most])) + (f" and {more} more" if more > 0 else "")
