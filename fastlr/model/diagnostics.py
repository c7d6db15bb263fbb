"""How well a model fits the examples that it was trained on: residuals, leverages, Cook's distances, a test of the fit."""

import numpy as np

from fastlr.data import arguments
from fastlr.inference import diagnostics
from fastlr.inference.hypotheses import ChiSquaredTest
from fastlr.inference.statistics import refuse_weights
from fastlr.model.fitted import Fitted


class Diagnostics(Fitted):
    """The part of `Model` that reads the training data for what the model says of each example."""

    @np.errstate(all="ignore")
    def residuals(self, kind: str = "pearson") -> np.ndarray:
        """Return the residuals of the training examples, (m,) float64, by one read of X.

        Parameters
        ----------
        kind : {"pearson", "deviance"}
            An example is a group of trials, as in R's glm: as many as its weight or its counts say.  With k successes of n, and
            the probability a, "pearson" is (k - n a) / sqrt(n a (1 - a)).  The squares of "deviance" add up to the residual
            deviance of the groups.

        Returns
        -------
        (m,) float64
            0 where an example has weight 0.

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.5], [1.0], [1.5], [2.0], [2.5]], [0, 0, 1, 0, 1])
        >>> model.residuals().round(2), model.residuals("deviance").round(2)
        (array([-0.25, -0.42,  1.37, -1.26,  0.46]), array([-0.34, -0.58,  1.45, -1.38,  0.62]))
        """
        of_kind = {"pearson": diagnostics.pearson, "deviance": diagnostics.deviance}
        kind = arguments.one_of("kind", kind, tuple(of_kind))
        self._refuse_many_classes("residuals()")
        return of_kind[kind](diagnostics.outcomes(self._with_rows("residuals"), self._theta))

    @np.errstate(all="ignore")
    def leverages(self) -> np.ndarray:
        """Return the leverages of the training examples, (m,) float64, by one read of X beyond those of `summary`.

        They are the diagonal of the hat matrix, between 0 and 1, and add up to the number of parameters.  With `l2` the Hessian
        of J takes the place of the information, and they add up to less: the effective number of parameters.  With K classes an
        example has a hat matrix (K, K), and its leverage is the trace, between 0 and K - 1 (Lesaffre and Albert, 1989).

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.5], [1.0], [1.5], [2.0], [2.5]], [0, 0, 1, 0, 1])
        >>> model.leverages().round(3)
        array([0.354, 0.392, 0.316, 0.391, 0.548])
        """
        return self._leverages_and_distances("leverages")[0]

    @np.errstate(all="ignore")
    def cooks_distances(self) -> np.ndarray:
        """Return Cook's distances of the training examples, (m,) float64: how far each moves the estimates.

        It takes one read of X beyond those of `summary`.  The distance is r^2 h / (k (1 - h)^2), with Pearson's residual r, the
        leverage h and k parameters (Pregibon, 1981): d^T I d / k, where d is how far one step of Newton's method moves the
        parameters without the example, and I the information.  That holds for K classes too.

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.5], [1.0], [1.5], [2.0], [2.5]], [0, 0, 1, 0, 1])
        >>> model.cooks_distances().round(3)
        array([0.026, 0.096, 0.628, 0.84 , 0.282])
        """
        return self._leverages_and_distances("cooks_distances")[1]

    def _leverages_and_distances(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        return diagnostics.leverages_and_distances(self._without_l1(what), self._theta.ravel(), self._found())

    @np.errstate(all="ignore")
    def hosmer_lemeshow(self, groups: int = 10) -> ChiSquaredTest:
        """Test the fit on the training data: expected against observed successes in groups of similar probability.

        Groups are cut at quantiles of the fitted probabilities, as by hoslem.test of R's ResourceSelection; equal probabilities
        share a group.  There are two degrees of freedom less than groups.  A small p-value speaks against the model.

        Parameters
        ----------
        groups : int
            The number of groups, at least 3.

        Returns
        -------
        ChiSquaredTest
            With `chi2`, `df` and `p_value`.

        Raises
        ------
        ValueError
            The weights don't count examples, or there are too few different probabilities.

        Examples
        --------
        >>> import fastlr, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((500, 2))
        >>> test = fastlr.train(X, X[:, 0] + rng.logistic(size=500) > 0).hosmer_lemeshow()
        >>> round(test.chi2, 3), test.df, round(test.p_value, 3)
        (5.191, 8, 0.737)
        """
        groups = arguments.integer("groups", groups, at_least=3)
        self._refuse_many_classes("hosmer_lemeshow()")
        training = self._with_rows("hosmer_lemeshow()")
        refuse_weights(training, "there is no Hosmer-Lemeshow test")
        return diagnostics.hosmer_lemeshow(diagnostics.outcomes(training, self._theta), groups)
