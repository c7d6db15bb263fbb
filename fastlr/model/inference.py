"""What a model says of the population: standard errors, tests, intervals, effects."""

import math
from typing import Any

import numpy as np

from fastlr import backends
from fastlr.backends import choice
from fastlr.data import arguments, arrays
from fastlr.data.dataset import InMemory
from fastlr.inference.class_effects import class_effects
from fastlr.inference.class_summary import class_summary
from fastlr.inference.distributions import normal_quantile
from fastlr.inference.hypotheses import ChiSquaredTest, likelihood_ratio, wald
from fastlr.inference.intervals import intervals, is_open, log_odds
from fastlr.inference.marginal_effects import MarginalEffects, marginal_effects
from fastlr.inference.profile import likelihood_ratios
from fastlr.inference.statistics import Statistics, place_of
from fastlr.inference.summary import Summary, summary
from fastlr.machine.wording import counted
from fastlr.model.diagnostics import Diagnostics
from fastlr.model.predictor import part_by_part
from fastlr.problem.loss import of_classes


class Inference(Diagnostics):
    """The part of `Model` that says what the estimates mean for the population."""

    n_iter: int
    converged: bool
    stop_reason: str
    grad_norm: float
    solver: str

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
            classes or more; or `base` is not a class, or is the second of two.

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
        V = found.of_parameters(V)
        if tests == "likelihood_ratio":
            if line:
                raise ValueError("tests='likelihood_ratio' holds if the model does, and takes no other covariance; leave one "
                                 "of them out")
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
              step of Newton's method without each row, and "HC2" has the mean M that the model implies.  h is that of one trial.
              Where it is 1 or more, as a weight below 1 and `firth` allow, there is no "HC2" and no "HC3".
            - ("cluster", groups) holds if rows of different groups are independent.  It has the factor
              G / (G - 1) (N - 1) / (N - k) for G groups, as in statsmodels and Stata's ``regress``; Stata's ``logit`` has
              G / (G - 1).  Groups are a vector (m,) in the order of the training rows, the name of a column of X ("x0" is the
              first of an array), or a tuple of two of these for two ways of grouping.  A Series whose index is that of X in
              another order is refused.

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
        return self._found().of_parameters(self._covariance(kind)[0])

    def intervals(self, X: Any, level: float = 0.95, covariance: Any = "model", offset: Any = None) -> Any:
        """Return an interval for the probability of the second class in each row, (m, 2) float64: its bounds.

        The interval is that of the margin z = X w + b, whose standard error is exact, taken through the sigmoid.  So its bounds
        lie between 0 and 1.  With K classes there is an interval for each, (m, K, 2), by its log-odds against all others.

        Parameters
        ----------
        X, offset
            As for `decision_function`.
        level : float
            The probability with which an interval covers the true value.
        covariance
            As for `covariance`.

        Raises
        ------
        ValueError
            As for `decision_function` and `covariance`; there are no standard errors; a column is so far from 0, by some 1e7
            deviations, that rounding leaves nothing of them; or the data do not determine the probability of a row, as where
            columns are collinear in the training rows but not in that row.  Bounds that Dask computes are NaN there.

        Examples
        --------
        >>> import fastlr
        >>> hours = [[0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [3.5], [4.0]]
        >>> model = fastlr.train(hours, ["no", "no", "no", "yes", "no", "yes", "yes", "yes"])
        >>> model.intervals([[1.0], [3.0]]).round(3)
        array([[0.   , 0.827],
               [0.19 , 0.995]])
        """
        quantile, (V, _), found = normal_quantile(arguments.level(level)), self._known_covariance(covariance), self._found()
        bounds = self._intervals(X, offset, V=V, quantile=quantile, found=found)
        if found.flat.size and isinstance(bounds, np.ndarray) and (is_open := np.isnan(bounds[..., 0])).any():
            raise ValueError(f"the data do not determine the probability of row {np.argwhere(is_open)[0, 0]} of X, since that "
                             f"row is not a linear combination of training rows.  {found.why_open()}")
        return bounds

    @part_by_part
    def _intervals(self, X: Any, offset: Any, *, V: np.ndarray, quantile: float, found: Statistics) -> np.ndarray:
        A, _, offsets = self._checked(X, offset)
        loss, kernel = of_classes(self.classes.size), choice.predictor(A, "margins_and_forms")
        with np.errstate(all="ignore"), backends.threads(kernel, None, A.size) as n_threads:
            odds, variance = log_odds(loss, InMemory.unlabelled(A, offsets, self.classes, kernel, n_threads), self._theta, V)
            is_finite = math.isfinite(odds.sum() + variance.sum())          # each of them, unless they are huge
        if not is_finite:
            self.decision_function(X, offset)                   # which says where X is not finite, or too large
        bounds = intervals(odds, variance, V, quantile)
        if found.flat.size:
            bounds[is_open(A, found, loss.n_margins)] = np.nan
        return bounds[:, 0] if loss.n_margins == 1 else bounds

    def contrast(self, R: Any, r: Any = 0.0, covariance: Any = "model") -> ChiSquaredTest:
        """Test the hypothesis R theta = r by Wald's statistic.

        Parameters
        ----------
        R : array_like, (q, n), (q, n + 1), or one row
            One hypothesis a row: the factors of w in the order of the columns, and perhaps that of b.  With K classes a row is
            (K, n) or (K, n + 1), and adds up to 0 over the classes, since the data determine only their differences.
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
            As for `covariance`; R names parameters without standard errors; the data do not determine what a row says, as where
            it names only one of two equal columns; its rows depend on each other; or the model was trained with a penalty, which
            moves the estimates.

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
        (*rows, n), R, r = self.w.shape, np.atleast_1d(arrays.as_array("R", R)), arrays.as_array("r", r)
        if not {R.dtype.kind, r.dtype.kind} <= set("biuf"):
            raise TypeError(f"R and r must hold real numbers, not {R.dtype} and {r.dtype}")
        R = (R[None] if R.ndim == self.w.ndim else R).astype(np.float64)
        if not len(R) or list(R.shape[1:-1]) != rows or R.shape[-1] not in (n, n + 1):
            raise ValueError(f"R has shape {R.shape}; a row has {f'{rows[0]} times ' if rows else ''}{n} factors for w, and "
                             "perhaps one more for b")
        if r.shape not in ((), (len(R),)):
            raise ValueError(f"r has shape {r.shape}, and R has {len(R)} row(s); pass one number, or one for each row of R")
        if not (np.isfinite(R).all() and np.isfinite(r).all()):
            raise ValueError("R and r must be finite; a value in them is NaN or infinite")
        found = self._found()
        if found.penalty():
            raise ValueError(f"{found.penalty('is')}, which moves the estimates, so that a test would mean nothing; "
                             "train without it")
        R = np.pad(R, [*((0, 0) for _ in R.shape[1:]), (0, n + 1 - R.shape[-1])])
        if rows and (np.abs(R.sum(axis=1)) > 1e-12 * np.abs(R).sum(axis=1)).any():
            raise ValueError("R must add up to 0 over the classes for each feature, since the data determine only differences "
                             "between classes; use -1 for the class that others are compared with")
        R = R.reshape(len(R), -1)
        V, _ = self._known_covariance(covariance, R.any(axis=0))
        if (is_open := found.is_open(R)).any():
            raise ValueError(f"the data do not determine row {int(np.argmax(is_open))} of R.  {found.why_open()}")
        return wald(self._theta.ravel(), V, R, np.broadcast_to(r, len(R)))

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
            The models are not nested ones of the same data; or one was trained with a penalty, is far from its optimum, or has no
            likelihood.

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
            raise ValueError(f"smaller has the classes {smaller.classes.tolist()}, and this model {self.classes.tolist()}")
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
        columns : sequence of names or indices of columns, optional
            The columns whose effects are wanted; all by default.
        discrete : "auto" or sequence of columns
            The columns whose effect is the difference between 1 and 0; the others' is the derivative.  "auto" takes those that
            hold only 0 and 1 (statsmodels' ``dummy=True``), and reads these columns once more.  () takes none
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
            self.decision_function(X, offset)                   # which checks that all is finite
            A, _, offset = self._checked(X, offset)
            data = InMemory.unlabelled(A, offset, self.classes)
        labels, names = self._labels, self._names
        head = {"on the probability of": ", ".join(map(repr, labels if len(labels) > 2 else labels[1:])),
                "examples": f"{data.count.total:.12g}",
                "at": at if isinstance(at, str) else "given values, averaged over the examples",
                **({"standard errors": line} if line else {})}
        table, found = {"head": head, "level": arguments.level(level)}, self._found()
        if len(labels) > 2:
            return class_effects(data, self._theta, V, found, names, labels, at, columns, discrete, **table)
        return marginal_effects(data, self._theta, V, found, names, at, columns, discrete, **table)

    def profile_interval(self, column: Any, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of the profile likelihood for a parameter, from the lower to the upper bound.

        It has the values that a likelihood ratio test doesn't reject, with all other parameters at their best for each.  It holds
        where the estimate is far from normal, and is finite where Wald's interval fails.  With separated classes one side may be
        infinite, or both.  It takes some fifteen gradients and a few Hessians.

        Parameters
        ----------
        column : str or int
            The name or the index of a column; "(intercept)" for b.
        level : float
            The probability with which an interval covers its parameter.

        Returns
        -------
        lower, upper : float
            Both infinite where the data do not determine the parameter, as with collinear columns.

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
        level = arguments.level(level)
        _, ((lower, upper),) = likelihood_ratios(training, self._theta, self.cost, [place], level, with_chi2=False)
        return float(lower), float(upper)
