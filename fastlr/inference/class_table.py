"""A table of estimates that belong to several classes: one class below another, and in a DataFrame by class and name."""

from dataclasses import dataclass
from typing import Any

from fastlr.inference.table import Table


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassTable(Table):
    """Estimates of one class behind another.

    Attributes
    ----------
    names : tuple of str
        The names of the k estimates, once for each class.
    class_of : tuple
        The label of the class that each estimate belongs to.
    """

    class_of: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"classes": list(self.class_of)} | super().to_dict()

    def to_frame(self) -> Any:
        frame = super().to_frame()
        import pandas as pd  # which has just made the frame

        return frame.set_axis(pd.MultiIndex.from_arrays([self.class_of, self.names], names=["class", None]))

    def _lines(self) -> list[tuple[str, ...]]:
        lines: list[tuple[str, ...]] = []
        for i, line in enumerate(super()._lines()):
            if i == 0 or self.class_of[i] != self.class_of[i - 1]:
                lines.append((repr(self.class_of[i]), *("" for _ in self.columns)))
            lines.append((f"  {line[0]}", *line[1:]))
        return lines
