"""What a model remembers of its training: the rows, as long as they are there, and statistics, which are found once."""

from typing import Any

import numpy as np

from fastlr.inference.covariance import sandwich
from fastlr.inference.statistics import Statistics, Training, statistics
from fastlr.model.predictor import Predictor


class Fitted(Predictor):
    """The part of `Model` that remembers the training."""

    cost: float
    _training: Training | None
    _statistics: Statistics | None

    def _known_covariance(self, kind: Any, used: Any = slice(None)) -> tuple[np.ndarray, str]:
        """The covariance as from `_covariance`; ValueError where one of the parameters that are used has none."""
        V, line = self._covariance(kind)
        if not np.isfinite(V[used][:, used]).all():
            found = self._found()
            why = line if np.isfinite(found.covariance).all() else " ".join(found.notes)
            raise ValueError(f"some parameters have no standard errors, so nothing computed from them has one: {why}")
        return V, line

    def _covariance(self, kind: Any) -> tuple[np.ndarray, str]:
        """The covariance (n + 1, n + 1) of this kind, and a line that says which it is: none for the model's.

        It holds for what the data determine; `Statistics.is_open` tells.
        """
        found = self._found()
        if isinstance(kind, str) and kind == "model":
            return found.covariance, ""
        return sandwich(self._with_rows(f"covariance={kind[0] if isinstance(kind, tuple) and kind else kind!r}"),
                        self._names, self._theta.ravel(), kind, found)

    def _found(self) -> Statistics:
        """The statistics of the model, which are found once."""
        found = self._statistics
        if found is None:
            found = statistics(self._with_rows("summary()"), self._names, self._theta.ravel(), self.cost)
            self.__dict__["_statistics"] = found            # the one thing that changes, and only from None
        return found

    def _with_rows(self, what: str) -> Training:
        """The training, whose rows something needs; ValueError where they are gone."""
        if self._training is None:
            raise ValueError("this model comes from a file or a pickle, an estimator's fit or partial_fit, without the training "
                             f"data, which {what} reads; train with fastlr.train(X, y), ask the Model that it returns, and call "
                             "summary() before saving, which keeps the model's covariance")
        return self._training

    def _without_l1(self, what: str) -> Training:
        """The training, whose rows something needs together with second derivatives of J; ValueError where there are none."""
        training = self._with_rows(what)
        l1 = training.objective_options["l1"]
        without = f"l1 = {l1:g}" if l1 > 0.0 else "a penalty factor of infinity" if training.left_out.any() else ""
        if without:
            raise ValueError(f"{what} needs second derivatives of J, and {without} has none; train without, with the chosen "
                             "columns alone")
        return training
