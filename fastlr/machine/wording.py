"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 feature", "2 features"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
