"""The path of an elastic net as the command prints and draws it."""

from typing import Any

import numpy as np

import fastlr
from fastlr.cli import evaluation
from fastlr.machine.wording import listed

# Columns that a line names, at most.
_MOST_NAMES = 20


class PathTable:
    """The penalties of a path, with what each model has chosen, explains and scores: as text or JSON."""

    def __init__(self, path: fastlr.Path) -> None:
        self._path = path

    def to_dict(self) -> dict[str, Any]:
        """All numbers under their names."""
        path = self._path
        found = {"l1_ratio": path.l1_ratio, "lambda": path.lambdas.tolist(), "columns": path.n_nonzero.tolist(),
                 "deviance_explained": path.deviance_explained.tolist()}
        if path.scores is None:
            return found
        return found | {"score": path.scores.name, "score_mean": path.score_mean.tolist(), "score_se": path.score_se.tolist(),
                        "best": path.best, "best_1se": path.best_1se, "chosen": self._names(path.best),
                        "chosen_1se": self._names(path.best_1se)}

    def __str__(self) -> str:
        path = self._path
        head: tuple[str, ...] = ("", "lambda", "columns", "deviance explained")
        rows = [("", f"{lambda_:.6g}", f"{count}", f"{explained:z.4f}") for lambda_, count, explained in
                zip(path.lambdas, path.n_nonzero, path.deviance_explained, strict=True)]
        if path.scores is None:
            return "\n".join(["Path", *evaluation.table([head, *rows])])
        head = (*head, path.scores.name, "std. error")
        scored = [(*row, f"{mean:.5f}", f"{error:.5f}") for row, mean, error in
                  zip(rows, path.score_mean, path.score_se, strict=True)]
        for i, name in ((path.best_1se, "best_1se"), (path.best, "best")):
            scored[i] = (name, *scored[i][1:])
        chosen = [f"{name}: {listed(self._names(i), _MOST_NAMES) or 'no column'}"
                  for name, i in (("best", path.best), ("best_1se", path.best_1se))]
        return "\n".join(["Path", *evaluation.table([head, *scored]), "", *chosen])

    def _names(self, i: int) -> list[str]:
        return [self._path[i]._names[j] for j in self._path._columns(i)]


def plot(path: fastlr.Path, file: str) -> None:
    """Draw the coefficients of a path, and its scores beside them, into a file of the format that its name says."""
    of_coefficients = len(np.atleast_2d(path.models[0].w))
    with evaluation.axes_of(file, of_coefficients + (path.scores is not None)) as axes:
        path.plot(axes[:of_coefficients])
        if path.scores is not None:
            path.plot_scores(axes[-1])
