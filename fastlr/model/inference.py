"""What a model says of the population: standard errors, tests, intervals, effects, diagnostics."""

from typing import Any

import numpy as np

from fastlr.data import arguments, arrays
from fastlr.data.dataset import InMemory
from fastlr.inference import diagnostics
from fastlr.inference.class_effects import class_effects
from fastlr.inference.class_summary import class_summary
from fastlr.inference.covariance import sandwich
from fastlr.inference.distributions import normal_quantile
from fastlr.inference.hypotheses import ChiSquaredTest, likelihood_ratio, wald
from fastlr.inference.intervals import intervals
from fastlr.inference.marginal_effects import MarginalEffects, marginal_effects
from fastlr.inference.profile import profile_interval
from fastlr.inference.statistics import Statistics, Training, names_of, place_of, refuse_weights, statistics
from fastlr.inference.summary import Summary, summary
from fastlr.machine.wording import counted
from fastlr.model.predictor import Predictor, part_by_part
from fastlr.problem.loss import of_classes


class Inference(Predictor):
    """The part of `Model` that most often reads the training data: what the estimates say of the population."""

    cost: float
    n_iter: int
    converged: bool
    stop_reason: str
    grad_norm: float
    solver: str
    _training: Training | None
    _statistics: Statistics | None

    @property
    def _names(self) -> tuple[str, ...]:
        """The names of the columns, which are x0, x1 and so on where they have none."""
        return names_of(self.feature_names, self.w.shape[-1])

    def summary(self, covariance: Any = "model", level: float = 0.95, tests: str = "wald", base: Any = None) -> Summary:
        """Summarize the model: estimates with standard errors, tests and intervals; likelihood, deviance, AIC and BIC.

        The first call reads X twice: for moments and gradient, and for the Hessian.  What it finds is kept, and saved with the
        model.  The Model that `fastlr.train` returns keeps the training data alive for that call, and so do its copies.  A
        pickle, a file and the `model_` of an estimator don't.

        Parameters
        ----------
        covariance : {"model", "HC0", "HC1", "HC2", "HC3"} or ("cluster", groups)
            The covariance that standard errors, tests and intervals come from, as for `covariance`.
        level : float
            The probability with which an interval covers its parameter.
        tests : {"wald", "likelihood_ratio"}
            Where tests and intervals come from.  Those of the likelihood ratio, as R's logistf prints them, hold where an
            estimate is far from normal, above all with Firth's penalty and separated classes.  For each parameter they take some
            twenty gradients and a few Hessians, and they need the training data.
        base : label, optional
            With three or more classes, the class that each other is compared with, since the data determine only differences.  By
            default it is the first; with two classes there is no other choice.

        Returns
        -------
        Summary
            A table to print, to show in a notebook, or to take numbers from; with three or more classes a `ClassSummary`, which
            has the parameters of each class less those of the base.

        Raises
        ------
        ValueError
            The model doesn't have its training data, because it comes from an estimator, or from a file or pickle made before any
            summary; X, y, weights or offset have been changed; there are more than 10000 features, counted once for each of three
            classes or more; or `base` is no class, or the second of two.

        Notes
        -----
        Standard errors are those of maximum likelihood: the roots of the diagonal of the inverse observed information.  With `l2`
        they are those of the posterior under the normal prior that the penalty stands for, and there is no test.  A note says why
        there are none: the model has l1, the classes are separated, columns are collinear, or the model is far from the optimum,
        as after few steps of gradient descent.

        `sample_weight` counts examples: a row of weight 3 is three examples.  Weights can't be counts where they add up to less
        than the number of rows that have one, as normalized weights do.  Then, and with `class_weight`, the weighted likelihood
        is not that of any data.  So there are no standard errors and no likelihoods, and no deviance, AIC, BIC or pseudo R2.

        Examples
        --------
        >>> import fastlr
        >>> hours = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]]
        >>> passed = ["no", "no", "no", "yes", "no", "yes", "yes", "yes"]
        >>> model = fastlr.train(hours, passed)
        >>> summary = model.summary()
        >>> summary.names, summary.estimate.round(3), summary.standard_error.round(3)
        (('(intercept)', 'x0'), array([-5.77 ,  2.565]), array([4.036, 1.721]))
        >>> model.summary(covariance="HC1").standard_error.round(3)
        array([2.566, 0.951])
        """
        level, tests = arguments.level(level), arguments.one_of("tests", tests, ("wald", "likelihood_ratio"))
        labels = self._labels
        if base is not None and base not in labels:
            raise ValueError(f"base is {base!r}, and the model's classes are {labels}")
        place = 0 if base is None else labels.index(base)
        if place > 0 and len(labels) == 2:
            raise ValueError(f"base={base!r} is a choice among three classes or more; with two the estimates are the log-odds of "
                             f"{labels[1]!r} against {labels[0]!r}, so leave it out and change their signs")
        V, line = self._covariance(covariance)
        found, training = self._found(), None
        if tests == "likelihood_ratio":
            if line:
                raise ValueError("tests='likelihood_ratio' holds if the model does, and has no use for another covariance; leave "
                                 "one of them out")
            self._refuse_many_classes("tests='likelihood_ratio'")
            training = self._without_l1("tests='likelihood_ratio'")
        state = "converged" if self.converged else "not converged" if self.grad_norm == self.grad_norm else "no tol was asked for"
        others = ", ".join(repr(label) for k, label in enumerate(labels) if k != place)
        head = {"probability of": f"{others}, against {labels[place]!r}",
                "examples": f"{found.examples:.12g}",
                "training": f"{state}: {self.stop_reason} ({self.solver}, {counted(self.n_iter, 'update')})",
                **({"standard errors": line} if line else {})}
        if len(labels) > 2:
            return class_summary(self._theta, V, self._names, labels, place, head, found, level)
        return summary(self._theta, V, self._names, head, found, level, training, self.cost)

    def covariance(self, kind: Any = "model") -> np.ndarray:
        """Return the covariance of the parameters, (n + 1, n + 1) float64: first w in the order of the columns, then b.

        With K classes it is (K (n + 1), K (n + 1)), class by class.  The parameters add up to 0 over the classes, since the data
        determine only differences between them.

        It reads X as `summary` does if that was not called before, and once more unless `kind` is "model".

        Parameters
        ----------
        kind : {"model", "HC0", "HC1", "HC2", "HC3"} or ("cluster", groups)
            - "model" is the inverse of the observed information.  It holds if the model does.
            - "HC0" to "HC3" hold as well if rows are independent and the model is wrong: V M V with the model's V, and M the sum
              of r^2 x x^T with the residuals r = a - y.  "HC1" is that times N / (N - k), as in R's sandwich and statsmodels'
              linear models; Stata's ``logit, vce(robust)`` has N / (N - 1).  "HC2" divides r^2 by 1 - h, and "HC3" by
              (1 - h)^2, with the leverages h.  With K classes r is a vector, and these are matrices: "HC3" has the moves of one
              step of Newton's method without each row, and "HC2" has the mean M that the model implies.
            - ("cluster", groups) holds if rows of different groups are independent.  It has the factor
              G / (G - 1) (N - 1) / (N - k) for G groups, as in statsmodels and Stata's ``regress``; Stata's ``logit`` has
              G / (G - 1).  Groups are a vector (m,) in the order of the training rows, the name of a column of X, or a tuple of
              two of these for two ways of grouping.

        Returns
        -------
        (n + 1, n + 1) float64
            NaN where there is none; the notes of `summary` say why.  Without an intercept the last row and column are 0.

        Raises
        ------
        ValueError
            As for `summary`; every kind but "model" needs the training data, and a model without a penalty.

        Notes
        -----
        `sample_weight` counts examples, so N is the sum of the weights, r^2 has the weight itself, and a row of weight 3 is three
        examples of one group.  With probability weights r^2 has the square of the weight.  ("cluster", numpy.arange(m)) gives
        that, up to its factor.

        Examples
        --------
        >>> import fastlr
        >>> hours = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]]
        >>> model = fastlr.train(hours, ["no", "no", "no", "yes", "no", "yes", "yes", "yes"])
        >>> model.covariance("HC0").round(3)
        array([[ 0.679, -1.527],
               [-1.527,  4.939]])
        """
        return self._covariance(kind)[0].copy()

    def intervals(self, X: Any, level: float = 0.95, covariance: Any = "model", offset: Any = None) -> Any:
        """Return an interval for the probability of the second class in each row, (m, 2) float64: its bounds.

        The interval is that of the margin z = X w + b, whose standard error is exact, taken through the sigmoid.  So its bounds
        lie between 0 and 1.  With K classes there is an interval for each, (m, K, 2), by its log-odds against all others.

        Parameters
        ----------
        X, offset
            As for `decision_function`.
        level : float
            The probability with which an interval covers what it is for.
        covariance
            As for `covariance`.

        Raises
        ------
        ValueError
            As for `decision_function` and `covariance`; or some parameters have no standard errors.

        Examples
        --------
        >>> import fastlr
        >>> hours = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]]
        >>> model = fastlr.train(hours, ["no", "no", "no", "yes", "no", "yes", "yes", "yes"])
        >>> model.intervals([[1.0], [3.0]]).round(3)
        array([[0.   , 0.827],
               [0.19 , 0.995]])
        """
        quantile = normal_quantile(arguments.level(level))
        return self._intervals(X, offset, V=self._known_covariance(covariance)[0], quantile=quantile)

    @part_by_part
    def _intervals(self, X: Any, offset: Any, *, V: np.ndarray, quantile: float) -> np.ndarray:
        z, loss = self.decision_function(X, offset), of_classes(self.classes.size)
        return intervals(loss, z.reshape(-1, loss.n_margins), arrays.real_matrix(X)[0], V, quantile).reshape(*z.shape, 2)

    def contrast(self, R: Any, r: Any = 0.0, covariance: Any = "model") -> ChiSquaredTest:
        """Test the hypothesis R theta = r by Wald's statistic.

        Parameters
        ----------
        R : array_like, (q, n), (q, n + 1), or one row
            One hypothesis a row: the factors of w in the order of the columns, and perhaps that of b.  With K classes a row is
            (K, n) or (K, n + 1), and adds up to 0 over the classes, since the data determine their differences alone.
        r : float or array_like, (q,)
        covariance
            As for `covariance`.

        Returns
        -------
        ChiSquaredTest
            (chi2, df, p_value), with one degree of freedom for each row.

        Raises
        ------
        ValueError
            As for `covariance`; R names parameters without standard errors; its rows depend on each other; or the model was
            trained with a penalty, which moves the estimates.

        Examples
        --------
        >>> import numpy as np, fastlr
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((500, 3))
        >>> model = fastlr.train(X, X @ [1.0, 1.0, 0.0] + rng.logistic(size=500) > 0)
        >>> chi2, df, p_value = model.contrast([[1, -1, 0], [0, 0, 1]])
        >>> round(chi2, 3), df, round(p_value, 3)
        (1.515, 2, 0.469)
        """
        (*rows, n), R = self.w.shape, np.atleast_1d(arrays.as_array("R", R)).astype(np.float64)
        R = R[None] if R.ndim == self.w.ndim else R
        if list(R.shape[1:-1]) != rows or R.shape[-1] not in (n, n + 1):
            raise ValueError(f"R has shape {R.shape}; a row has {f'{rows[0]} times ' if rows else ''}{n} factors for w, and "
                             "perhaps one more for b")
        r = np.asarray(r, np.float64)
        if r.shape not in ((), (len(R),)):
            raise ValueError(f"r has shape {r.shape}, and R has {len(R)} row(s); pass one number, or one for each row of R")
        if not (np.isfinite(R).all() and np.isfinite(r).all()):
            raise ValueError("R and r must be finite; a value in them is NaN or infinite")
        if self._found().penalty():
            raise ValueError(f"{self._found().penalty('is')}, which moves the estimates, so that a test would mean nothing; "
                             "train without it")
        R = np.pad(R, [*((0, 0) for _ in R.shape[1:]), (0, n + 1 - R.shape[-1])])
        if rows and (np.abs(R.sum(axis=1)) > 1e-12 * np.abs(R).sum(axis=1)).any():
            raise ValueError("R must add up to 0 over the classes for each feature, since the data determine differences of "
                             "classes alone; take -1 for the class that others are compared with")
        return wald(self._theta.ravel(), self._covariance(covariance)[0], R.reshape(len(R), -1), np.broadcast_to(r, len(R)))

    def likelihood_ratio(self, smaller: "Inference") -> ChiSquaredTest:
        """Test whether a smaller model would do, by the ratio of both likelihoods.

        Parameters
        ----------
        smaller : Model
            A model of the same rows with some of the features.  Checked are the number of examples, the likelihood without
            features, the names of the columns, and that the larger model has more parameters and the larger likelihood.

        Returns
        -------
        ChiSquaredTest
            (chi2, df, p_value), with one degree of freedom for each parameter that the smaller model lacks.

        Raises
        ------
        ValueError
            The models are not nested ones of the same data, or one was trained with a penalty, or has no likelihood.

        Examples
        --------
        >>> import numpy as np, fastlr
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((500, 3))
        >>> y = X @ [1.0, 1.0, 0.0] + rng.logistic(size=500) > 0
        >>> chi2, df, p_value = fastlr.train(X, y).likelihood_ratio(fastlr.train(X[:, :2], y))
        >>> round(chi2, 3), df, round(p_value, 3)
        (1.27, 1, 0.26)
        """
        if not isinstance(smaller, Inference):
            raise TypeError(f"smaller must be a Model, not {type(smaller).__name__}")
        if self.classes.tolist() != smaller.classes.tolist():
            raise ValueError(f"smaller tells {smaller.classes.tolist()} apart, and this model {self.classes.tolist()}")
        others = set(smaller.feature_names or ()) - set(self.feature_names or smaller.feature_names or ())
        if others:
            raise ValueError(f"smaller has the feature {min(others)!r}, which this model lacks")
        return likelihood_ratio(self._found(), smaller._found())

    def marginal_effects(self, X: Any = None, at: Any = "average", columns: Any = None, *, discrete: Any = "auto",
                         covariance: Any = "model", level: float = 0.95, offset: Any = None) -> MarginalEffects:
        """Return how much the probability of the second class, or of each of K, changes with each column, with standard errors.

        It reads the rows once, in blocks: beyond X it needs a few megabytes.

        Parameters
        ----------
        X, offset
            The rows to average over, as for `decision_function`, in memory; by default the training data with their weights.
        at : {"average", "mean"} or dict
            - "average": the mean of the effects in all rows (statsmodels calls that "overall");
            - "mean": the effects in a row that is the mean of all;
            - {column: value or values}: the mean of the effects with this value in all rows, for each combination of the values.
        columns : sequence of names or places of columns, optional
            The columns whose effects are wanted; all by default.
        discrete : "auto" or sequence of columns
            The columns whose effect is the difference between 1 and 0; the others' is the derivative.  "auto" takes those that
            hold 0 and 1 alone (statsmodels' ``dummy=True``), and reads these columns once more.  () takes none
            (statsmodels' default).
        covariance, level
            As for `summary`.

        Returns
        -------
        MarginalEffects
            A table to print, to show in a notebook, or to take numbers from.

        Raises
        ------
        ValueError
            As for `covariance` and `decision_function`; or there is no such column.
        NotImplementedError
            `at` is a dict, and there are three classes or more.

        Examples
        --------
        >>> import numpy as np, fastlr
        >>> rng = np.random.default_rng(0)
        >>> X = np.column_stack([rng.standard_normal(500), rng.random(500) < 0.5])
        >>> model = fastlr.train(X, X @ [1.0, 1.0] + rng.logistic(size=500) > 0)
        >>> effects = model.marginal_effects()
        >>> effects.estimate.round(3), effects.standard_error.round(3), effects.is_discrete
        (array([0.21 , 0.189]), array([0.016, 0.039]), array([False,  True]))
        >>> model.marginal_effects(at={1: [0, 1]}, columns=[0]).names
        ('x0, x1 = 0', 'x0, x1 = 1')
        """
        if arrays.is_dask(X) or arrays.is_in_blocks(X):
            raise TypeError(f"marginal_effects takes arrays in memory, and X is a {type(X).__name__}; load it, or leave X out "
                            "for the training data")
        V, line = self._known_covariance(covariance)
        if X is None:
            data = self._with_rows("marginal_effects() without X").data
        else:
            self.decision_function(X, offset)                   # which checks both
            A = arrays.real_matrix(X)[0]
            data = InMemory(A, np.zeros(A.shape[0], np.int8), np.empty(0),
                            arrays.real_offset(offset, A.shape[0], self.classes.size), self.classes)
        labels, names = self._labels, self._names
        head = {"on the probability of": ", ".join(map(repr, labels if len(labels) > 2 else labels[1:])),
                "examples": f"{data.count.total:.12g}",
                "at": at if isinstance(at, str) else "given values, averaged over the examples",
                **({"standard errors": line} if line else {})}
        table = {"head": head, "level": arguments.level(level), "is_penalised": self._found().penalty() != ""}
        if len(labels) > 2:
            return class_effects(data, self._theta, V, names, labels, at, columns, discrete, **table)
        return marginal_effects(data, self._theta, V, names, at, columns, discrete, **table)

    def profile_interval(self, column: Any, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the profile likelihood for a parameter, from the lower to the upper bound.

        It has the values that a likelihood ratio test doesn't reject, with all other parameters at their best for each.  It holds
        where the estimate is far from normal, and is finite where Wald's interval fails.  With separated classes one side may be
        infinite, or both.  It takes some fifteen gradients and a few Hessians.

        Parameters
        ----------
        column : str or int
            The name or the place of a column; "(intercept)" for b.
        level : float
            The probability with which an interval covers its parameter.

        Returns
        -------
        lower, upper : float
            Both infinite where the data leave the parameter open, as with collinear columns.

        Raises
        ------
        ValueError
            The model doesn't have its training data, or they have been changed; the weights don't count examples; there is no
            such column; or there are more than 10000.

        Notes
        -----
        With `l2` or Firth's penalty the likelihood is the penalized one, as in R's logistf.

        Examples
        --------
        Separated classes, where no standard error exists:

        >>> import fastlr, warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore", fastlr.SeparationWarning)
        ...     model = fastlr.train([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], [0, 0, 0, 1, 1, 1])
        >>> lower, upper = model.profile_interval("x0")
        >>> round(lower, 4), upper
        (0.7353, inf)
        """
        self._refuse_many_classes("profile_interval()")
        training = self._without_l1("profile_interval()")
        intercept = ["(intercept)"] if training.objective_options["fit_intercept"] else []
        place = place_of("column", column, (*self._names, *intercept))
        return profile_interval(training, self._theta, self.cost, place, arguments.level(level))

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
        return of_kind[kind](diagnostics.outcomes(self._with_rows("residuals").data, self._theta))

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
        return diagnostics.hosmer_lemeshow(diagnostics.outcomes(training.data, self._theta), groups)

    def _known_covariance(self, kind: Any) -> tuple[np.ndarray, str]:
        """As `_covariance`; ValueError where there is none of some parameters."""
        V, line = self._covariance(kind)
        if not np.isfinite(V).all():
            raise ValueError("some parameters have no standard errors, and so nothing made of them has any: "
                             f"{' '.join(self._found().notes)}")
        return V, line

    def _covariance(self, kind: Any) -> tuple[np.ndarray, str]:
        """The covariance (n + 1, n + 1) of this kind, and a line that says which it is: none for the model's."""
        found = self._found()
        if isinstance(kind, str) and kind == "model":
            return found.covariance, ""
        return sandwich(self._with_rows(f"covariance={kind[0] if isinstance(kind, tuple) and kind else kind!r}"),
                        self._theta.ravel(), kind, found)

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
