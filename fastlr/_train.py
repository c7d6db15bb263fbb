"""train and cost_and_gradient: data -> backend -> J -> solver -> Model."""

import math
import reprlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from fastlr import backends, solvers
from fastlr.backends import choice
from fastlr.backends.compiled import threads
from fastlr.data import arguments, door
from fastlr.data.dataset import Dataset, InMemory
from fastlr.inference.statistics import Training
from fastlr.machine import stopwatch
from fastlr.machine.forks import imported
from fastlr.machine.warnings import SeparationWarning, warn
from fastlr.model.model import Model
from fastlr.problem.cost_model import CostModel
from fastlr.problem.loss import Softmax, of_classes
from fastlr.problem.problem import Problem
from fastlr.solvers.progress import Progress

# What other libraries call an argument of train, or have beside those, with what to write here.
_OF_OTHERS = {
    "C": "write l2=1/(C*m) for m examples, or l2=1/C with reduction='sum'",
    "alpha": "the learning rate is learning_rate, and the strengths of the penalties are l1 and l2",
    "dual": "leave it out: X with more columns than rows needs no other formulation here",
    "epochs": "the number of updates is max_iter",
    "intercept_scaling": "leave it out: the intercept is not penalized here",
    "l1_ratio": "write the strength of each penalty, l1 and l2",
    "multi_class": "leave it out: three labels or more train one softmax model",
    "n_jobs": "the number of threads is n_threads",
    "penalty": "leave it out: the strengths of the penalties are l1 and l2, and 0 is for none",
    "random_state": "leave it out: training makes the same model each time",
    "verbose": "write progress=True",
    "warm_start": "write init=model, or init=(w, b)",
    "weights": "write sample_weight",
}


@arguments.refusing(_OF_OTHERS)
def train(X: Any, y: Any, *, backend: str = "auto", solver: str = "auto", learning_rate: float | None = None,
          max_iter: int | None = None, tol: float | None = None, l1: float = 0.0, l2: float = 0.0, penalty_factors: Any = None,
          reduction: str = "mean", fit_intercept: bool = True, sample_weight: Any = None, class_weight: Any = None,
          offset: Any = None, init: Any = None, n_threads: int | None = None,
          callback: Callable[[solvers.State], Any] | None = None, progress: bool = False, firth: bool = False,
          feature_names: Any = None) -> Model:
    """Train logistic regression.

    The model minimizes, over w and b,

        J(w, b) = (1/m) sum_i loss_i + sum_j f_j (l1 |w_j| + (l2/2) w_j^2)
        loss_i = -(y_i log a_i + (1 - y_i) log(1 - a_i))
        a_i = sigma(x_i . w + b + offset_i)

    With K >= 3 labels w is (K, n) and b is (K,), a row for each class, and

        loss_i = log sum_k exp(z_ik) - z_i,y_i        z_ik = x_i . w_k + b_k + offset_ik

    Numbers that all classes share move no loss.  So the weights of the classes sum to 0 in each column, and so do the intercepts.
    Gradient descent keeps such sums as they are at its start.

    Parameters
    ----------
    X : array_like or SciPy sparse matrix, (m, n)
        The examples, one a row, with one feature a column: an array, memory map or data frame of finite real numbers.  All
        arithmetic is float64.  float64, float32, uint8, int8, int16 and bool are used in place, in C or Fortran order; other
        numbers are converted.  The course's (n, m) array goes in as X.T.

        SciPy's sparse matrices are never made dense.  CSR of float64 or float32 is used in place; other formats and numbers are
        converted to it.

        Data larger than memory go in as a `fastlr.stream`, or as the path of an .npy file or a table.  A memory map larger
        than half of the available memory is streamed too.

        Dask arrays and DataFrames (pip install dask distributed) stay where they are.  Every step is one graph with one task a
        part.  Persist them if they fit into the cluster's memory; otherwise every step makes them anew.  y, weights and offset
        may then be Dask's too.  A task has one thread, or up to NUMBA_NUM_THREADS if a worker sets that.
    y : array_like, (m,) or (m, 2)
        Two labels or more, of any kind.  In sorted order they stand for y = 0 and y = 1, or for y = 0 .. K - 1.  For a table, y
        is the name of a column, and so are `sample_weight` and `offset`.  For a stream of (X, y) blocks it is None.

        Grouped labels, as R's glm takes them: two columns are the counts of successes and of failures of each example.  Floats
        from 0 to 1, some of them strictly between, are shares of successes, with `sample_weight` as numbers of trials.  Success
        is class 1, and failure class 0.  An example that has both is two rows, in a copy of at most twice X, or twice a block of
        a stream or a part of a Dask collection.
    backend : {"auto", "python", "numpy", "loop", "parallel", "fused"}
        The kernel.  All compute the same.  "auto" is "fused", or "numpy" where starting Numba would take longer than training.
    solver : {"auto", "gd", "newton", "lbfgs"}
        The way to the optimum.  "newton" uses Hessians, or their products with vectors if X is very wide.  "lbfgs" uses none.
        "auto" is as good as the better of the two, and starts from samples of the rows where there are many.  The units of the
        columns make no difference to these three.  "gd" is the lecture's gradient descent.
    learning_rate : float, optional
        The lecture's alpha.  It selects gradient descent, and exactly `max_iter` updates are made unless `tol` is given too.
        solver="gd" without a learning rate takes steps of 1/L, which never make J larger.
    max_iter : int, optional
        The most updates; 10000 by default.  With 0 the model is at the start.
    tol : float, optional
        The bound on the gradient: |db| and every |dw_j - mu_j db| / sd_j, on the mean scale, with the mean mu_j and the standard
        deviation sd_j of column j.  With l1 it bounds the least subgradient.  `converged` needs a small gap too.  0 never stops
        early.  The default is 1e-8, or 0 with a `learning_rate`.
    l1, l2 : float
        The strengths of the penalties sum_j f_j |w_j| and (1/2) sum_j f_j w_j^2, which are never on b.  l1 makes many w
        exactly 0.  With K classes it is on each w_kj.  If K is even, l1 alone does not determine what the w of a column share;
        then the lower of the two middle ones is 0.  With l1 the Model's `solver` is "elastic_net", and no other can be chosen.
    penalty_factors : array_like, (n,), optional
        The factors f_j of the penalties, at least 0; by default 1.  0 leaves a column unpenalized.  Infinity leaves it out, and
        uses the solver for l1.  A Series whose index is the columns of X in another order is refused.
    reduction : {"mean", "sum"}
        Whether J averages the losses over the examples (by weight) or sums them.
    fit_intercept : bool
        Whether to fit b.  False keeps b at its initial value, which is 0 or that of `init`.
    sample_weight : array_like, (m,), optional
        How often each row counts; at least 0.  Weights may have any total.  Weights that add up to less than the number of rows
        that have one can't be counts of examples, and then `Model.summary` shows no likelihood.
    class_weight : dict from label to float, or "balanced", optional
        Factors of `sample_weight` by class; "balanced" gives all classes the same total.
    offset : array_like, (m,) or (m, K), optional
        Numbers that are added to the margins of the rows.  Predicting then needs an offset too.  With K >= 3 labels they are
        (m, K): one number for all classes of a row would change nothing.  The columns are in the order of the sorted labels; a
        frame whose columns are the labels in another order is refused.
    init : (w, b) or Model, optional
        The start, with w (K, n) and b (K,) for K >= 3 labels.  Zeros are a start like any other.  Every solver but "gd" takes the
        mean over K >= 3 classes from each column of w, and from b if it is fitted.  By default "gd" starts at zeros, and the
        others at the best model whose w is 0.  Without a callback they may start closer: at the optimum of samples of the rows,
        or at that in the space of few rows, found in at most `max_iter` updates there.
    n_threads : int, optional
        The most threads of the kernels.  By default as many as affinity and container quota leave to this process, less those of
        its other trainings, and one in a child made by multiprocessing.  The result has the same bits for any number of threads.
        NumPy's own products, which backend "numpy" uses, and others where X has hundreds of columns or more columns than rows,
        have the threads of its BLAS (OPENBLAS_NUM_THREADS).
    callback : callable, optional
        A function that is called with a State (n_iter, cost, w, b, elapsed) after every update; a true return value stops
        training.  It runs under the NumPy error state of the caller of `train`.  With a callback, all updates are made on all
        rows and features.
    progress : bool
        Whether to show tqdm's bar (pip install tqdm) once training has taken a tenth of a second.  It shows how many decades the
        gradient's norm has come toward `tol`, or with `tol` = 0 the share of the updates.
    firth : bool
        Whether to maximize Firth's penalized likelihood, which has a finite maximum where the classes are separated too, and
        less bias in small samples.  J is then less by (1/2) log det I, with the information I of all examples about w and b; for
        "mean" this is divided by the number of examples.  It is for two classes, without another penalty, a learning rate or a
        choice of solver.
    feature_names : array_like of str, (n,), optional
        Names for the columns of an X that has none.  Those of a data frame are kept.

    Returns
    -------
    Model
        The trained model.  It keeps X, y, sample_weight and offset alive, since `Model.summary` reads them.  Its pickles and
        files don't have them.

    Raises
    ------
    TypeError, ValueError
        The input can't be trained on; the text names the argument, the place, and the way out.
    NotImplementedError
        Sparse data are not SciPy's; y has three classes or more, and `firth` is given, or an offset beside a Dask X; or l1 keeps
        more columns than there is room for.

    Warns
    -----
    ConvergenceWarning
        With tol > 0, `max_iter` was reached first, or float64 allows no smaller gradient; or J diverged because the learning rate
        was too large.
    SeparationWarning
        The features separate the classes, so that without a penalty no finite w is the best.

    Examples
    --------
    >>> import fastlr
    >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
    >>> model.w.round(4), round(model.b, 4), model.converged
    (array([0.9082]), -1.3623, True)

    The course's unit case, with one example a column:

    >>> import numpy as np, fastlr
    >>> X = np.array([[1.0, -2.0, -1.0], [3.0, 0.5, -3.2]])
    >>> model = fastlr.train(X.T, [1, 1, 0], init=([1.0, 2.0], 1.5), learning_rate=0.009, max_iter=100)
    >>> model.w.round(6), round(model.b, 6)
    (array([0.80956, 2.05082]), 1.594871)

    Three classes:

    >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc"), l2=0.1)
    >>> model.w.round(3).tolist(), model.predict_proba([[5.0]]).round(3)
    ([[-0.649], [0.0], [0.649]], array([[0.029, 0.23 , 0.741]]))

    Counts of successes and failures in each row:

    >>> fastlr.train([[0.0], [1.0]], [[1, 3], [4, 2]]).w.round(4), round(float(np.log(4 / 2 / (1 / 3))), 4)
    (array([1.7918]), 1.7918)

    Firth's penalty where the classes are separated:

    >>> fastlr.train([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], firth=True).w.round(4)
    array([1.3099])

    A callback that stops early, when J on held-out data has not fallen for ten updates, and keeps the best parameters:

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 30))
    >>> y = X[:, 0] + rng.logistic(size=200) > 0
    >>> best = (np.inf, None)
    >>> def stop_early(state):
    ...     global best
    ...     J, *_ = fastlr.cost_and_gradient(X[100:], y[100:], state.w, state.b)
    ...     if J < best[0]:
    ...         best = J, state
    ...     return state.n_iter >= best[1].n_iter + 10
    >>> model = fastlr.train(X[:100], y[:100], learning_rate=0.1, max_iter=1000, callback=stop_early)
    >>> model.stop_reason, model.n_iter - best[1].n_iter
    ('the callback asked to stop', 10)
    """
    start, compiled = time.perf_counter(), stopwatch.seconds()
    options = _options(solver, learning_rate, max_iter, tol, callback, progress, start)
    objective_options = _objective_options(l2, reduction, fit_intercept, l1)
    module = solvers.load("gd" if options.learning_rate is not None else solver)
    if arguments.flag("firth", firth):
        _refuse_beside("firth=True has a penalty and a solver of its own, and takes", solver=(solver, "auto"),
                       learning_rate=(learning_rate, None), l1=(objective_options["l1"], 0.0),
                       l2=(objective_options["l2"], 0.0), penalty_factors=(penalty_factors, None))
        module = imported("fastlr.solvers.firth")
    n_threads = arguments.optional(arguments.integer, "n_threads", n_threads, at_least=1)
    with np.errstate(all="ignore"):             # the door and the solvers look for NaN and infinity; underflow is harmless
        data = door.data(X, y, sample_weight, class_weight, offset)
    if feature_names is not None:
        data.feature_names = arguments.feature_names(feature_names, data.shape[1], data.feature_names)
    theta = arguments.start(init, data.shape[1], data.classes.size)
    factors = arguments.optional(arguments.factors, "penalty_factors", penalty_factors, n=data.shape[1],
                                 names=data.feature_names)
    objective_options["penalty_factors"] = factors
    has_l1 = objective_options["l1"] > 0.0 or (factors is not None and bool(np.isposinf(factors).any()))
    if firth:
        refuse_many_classes("firth=True", data.classes.size, "l1 and l2 work for any number")
    if has_l1:
        _refuse_beside("l1, and a penalty factor of infinity, have a solver of their own, and take",
                       learning_rate=(options.learning_rate, None), solver=(solver, "auto"))
        module = solver_of_l1(data)

    backend = backend_for(backend, data, module, options, n_threads)
    kernel = backends.load(backend)
    try:
        with np.errstate(all="ignore"), backends.threads(kernel, n_threads, data.size) as count:
            problem = Problem.of_theta(data.with_backend(kernel, count), **objective_options)
            problem.refuse_not_finite(moments_are_needed=options.tol > 0.0)
            result = module.solve(problem, theta, options)
        if options.progress is not None:
            options.progress.show(result.history.step.size, float(result.history.cost[-1]), result.grad_norm)
    finally:
        if options.progress is not None:
            options.progress.close()

    training = Training(data, backend, objective_options, n_threads, class_weight is not None, firth or has_minimum(result),
                        firth)
    model = model_of(result, training, count, start, compiled)
    if result.warning is not None:
        warn(result.warning)
    return model


def has_minimum(result: solvers.Result) -> bool | None:
    """Whether J has been proved to have a minimum, or to have none; None if neither."""
    if isinstance(result.warning, SeparationWarning):
        return False
    return True if result.converged and result.gap_kind == "bound" else None


def model_of(result: solvers.Result, training: Training, n_threads: int, start: float, compiled: float) -> Model:
    """Make the Model of a Result; `start` and `compiled` are what the clock and the stopwatch showed when `train` was called."""
    history, data, compile_time = result.history, training.data, stopwatch.seconds() - compiled
    w, b = solvers.weights_and_intercept(result.theta)
    return Model(w=w, b=b, classes=data.classes.copy(),
                 cost=float(history.cost[-1]), costs=history.cost[:-1], history=history, n_iter=history.step.size,
                 converged=result.converged, stop_reason=result.stop_reason, grad_norm=result.grad_norm, gap=result.gap,
                 gap_kind=result.gap_kind, solver=result.solver, backend=training.backend, n_threads=n_threads,
                 elapsed=time.perf_counter() - start - compile_time, compile_time=compile_time,
                 feature_names=data.feature_names, has_offset=data.has_offset, _training=training)


@np.errstate(all="ignore")
def cost_and_gradient(X: Any, y: Any, w: Any, b: Any, *, backend: str = "auto", l2: float = 0.0, reduction: str = "mean",
                      sample_weight: Any = None, offset: Any = None,
                      n_threads: int | None = None) -> tuple[float, np.ndarray, Any]:
    """Make one forward and one backward pass: compute J and its gradient at (w, b).

    Parameters
    ----------
    X : array_like or SciPy sparse matrix, (m, n)
        The examples, as for `train`.
    y : array_like, (m,)
        The labels 0 and 1, or 0 .. K - 1 for K rows of w, taken as given.
    w : array_like, (n,) or (K, n)
    b : float, or array_like, (K,)
    backend, l2, reduction, sample_weight, offset, n_threads
        Options, as for `train`.

    Returns
    -------
    J : float
    dw : float64, in the shape of w
    db : float, or (K,) float64

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        The input can't be computed with; the text names the argument, the place, and the way out.

    Examples
    --------
    >>> import fastlr
    >>> J, dw, db = fastlr.cost_and_gradient([[1, 3], [-2, 0.5], [-1, -3.2]], [1, 1, 0], [1, 2], 1.5)
    >>> round(J, 10), dw.round(8), round(db, 10)
    (0.1590053771, array([ 0.25071532, -0.06604096]), -0.125004045)

    Three classes:

    >>> J, dw, db = fastlr.cost_and_gradient([[1.0], [2.0], [4.0]], [0, 1, 2], [[0.0], [0.0], [0.0]], [0.0, 0.0, 0.0])
    >>> round(J, 6), dw.round(4).tolist(), db.shape
    (1.098612, [[0.4444], [0.1111], [-0.5556]], (3,))
    """
    objective_options = _objective_options(l2, reduction, True)
    n_threads = arguments.optional(arguments.integer, "n_threads", n_threads, at_least=1)
    rows = max(1, np.size(b))
    data = door.data_as_given(X, y, sample_weight, offset, max(2, rows))
    theta = (arguments.parameters(w, b, data.shape[1]) if rows == 1 else
             arguments.class_parameters(w, b, data.shape[1], rows))
    loss = of_classes(2) if rows == 1 else Softmax(rows)
    name = (choice.choose(backend, data.X, 1, loss.kernels(("cost_gradient",))) if isinstance(data, InMemory) else
            choice.choose(backend, data, math.inf, ()))
    kernel = backends.load(name)
    with backends.threads(kernel, n_threads, data.size) as count:
        J, grad = Problem.of_theta(data.with_backend(kernel, count), **objective_options, loss=loss).evaluate(theta.ravel())
    return J, *solvers.weights_and_intercept(grad.reshape(theta.shape))


def solver_of_l1(data: Dataset) -> ModuleType:
    """The solver of l1: the one that works on columns, for two classes in memory, or the one that needs sums over rows alone."""
    has_columns = isinstance(data, InMemory) and data.classes.size == 2
    return imported("fastlr.solvers.elastic_net" if has_columns else "fastlr.solvers.proximal_newton")


def backend_for(name: str, data: Dataset, solver: ModuleType, options: solvers.Options, n_threads: int | None) -> str:
    """Resolve "auto" to a backend's name; reading data that don't lie in memory takes longer than starting any kernel."""
    if not isinstance(data, InMemory):
        return choice.choose(name, data, math.inf, ())
    loss = of_classes(data.classes.size)
    is_driven, count = CostModel.of(data, loss.n_margins).is_driven, threads.useful(n_threads, data.size)
    kernels = loss.kernels(solver.kernels(is_driven, count))
    return choice.choose(name, data.X, loss.n_margins * (solver.EXPECTED_STEPS or options.most_updates), kernels)


def _options(solver: str, learning_rate: float | None, max_iter: int | None, tol: float | None,
             callback: Callable[[solvers.State], Any] | None, progress: bool, start: float) -> solvers.Options:
    learning_rate = arguments.optional(arguments.number, "learning_rate", learning_rate, above=0.0)
    if learning_rate is not None and not (isinstance(solver, str) and solver in ("auto", "gd")):
        raise ValueError(f"a learning_rate belongs to solver='gd', not to solver={solver!r}; leave one of them out")
    if callback is not None:
        if not callable(callback):
            raise TypeError(f"callback must be callable, not {callback!r}")
        callback = np.errstate(**np.geterr())(callback)         # the error state of train's caller
    default_tol = 1e-8 if learning_rate is None else 0.0
    options = solvers.Options(learning_rate, arguments.optional(arguments.integer, "max_iter", max_iter, at_least=0),
                              default_tol if tol is None else arguments.number("tol", tol, at_least=0.0), callback, start)
    if arguments.flag("progress", progress):
        return options._replace(progress=Progress(options.tol, options.most_updates))
    return options


def _refuse_beside(what: str, **given: tuple[Any, Any]) -> None:
    """Raise ValueError for an argument, given with its default, beside an option that has no use for it."""
    for name, (value, default) in given.items():
        if value is not default and (default is None or value != default):
            raise ValueError(f"{what} no {name}={reprlib.repr(value)}; leave one of them out")


def refuse_many_classes(what: str, n_classes: int, way_out: str) -> None:
    """Raise NotImplementedError, with the way out, where there are more classes than the two that something is for."""
    if n_classes > 2:
        raise NotImplementedError(f"{what} is for two classes, and y has {n_classes}; {way_out}")


def _objective_options(l2: float, reduction: str, fit_intercept: bool, l1: float = 0.0) -> dict[str, Any]:
    return {"l1": arguments.number("l1", l1, at_least=0.0),
            "l2": arguments.number("l2", l2, at_least=0.0),
            "reduction": arguments.one_of("reduction", reduction, ("mean", "sum")),
            "fit_intercept": arguments.flag("fit_intercept", fit_intercept)}
