"""What is recorded on the way, and the bar that shows it."""

import math
import sys

import numpy as np
import pytest

import fastlr
from fastlr.solvers.progress import Progress, _is_installed
from tests.problems import problem, weights

CASES = [("gd", {"tol": 1e-3}), ("gd", {"learning_rate": 0.5, "max_iter": 7}), ("newton", {}), ("lbfgs", {}), ("auto", {}),
         ("newton", {"l2": 0.3, "reduction": "sum"})]


def gradient_norm(X, y, w, b, s, **options):
    """What tol bounds, from the definition: the gradient in standardised coordinates, on the mean scale."""
    _, dw, db = fastlr.cost_and_gradient(X, y, w, b, sample_weight=s, **options)
    size = s.sum() if options.get("reduction") == "sum" else 1.0
    mu = np.average(X, axis=0, weights=s)
    sd = np.sqrt(np.average((X - mu) ** 2, axis=0, weights=s))
    return max(abs(db), np.max(np.abs(dw - mu * db) / sd)) / size


@pytest.mark.parametrize(("solver", "options"), CASES)
def test_history_is_what_happened(backend, solver, options):
    """Against a callback, which sees w and b after every update."""
    X, y, *_ = problem(80, 3)
    s, _ = weights(80)
    states = []
    model = fastlr.train(X, y, backend=backend, solver=solver, sample_weight=s, callback=states.append, **options)
    history = model.history
    assert [state.n_iter for state in states] == list(range(1, model.n_iter + 1)) and states
    assert (states[-1].w == model.w).all() and states[-1].b == model.b
    assert (history.cost[:-1] == model.costs).all() and history.cost[-1] == model.cost
    objective = {name: options[name] for name in ("l2", "reduction") if name in options}
    for k, state in enumerate(states, 1):
        assert history.cost[k] == pytest.approx(fastlr.cost_and_gradient(X, y, state.w, state.b, sample_weight=s, **objective)[0])
        if "learning_rate" not in options:
            expected = gradient_norm(X, y, state.w, state.b, s, **objective)
            assert history.grad_norm[k] == pytest.approx(expected, rel=1e-6, abs=1e-14)
    if "learning_rate" in options:
        assert np.isnan(history.grad_norm).all() and (history.step == 0.5).all()
    else:
        assert history.grad_norm[-1] == model.grad_norm
    assert history.step.shape == (model.n_iter,) and (history.step > 0.0).all()
    assert history.seconds[0] >= 0.0 and (np.diff(history.seconds) >= 0.0).all()
    assert history.seconds[-1] <= model.elapsed + model.compile_time
    elapsed = [state.elapsed for state in states]
    assert (np.diff([0.0, *elapsed, model.elapsed + model.compile_time]) >= 0.0).all()


@pytest.mark.parametrize(("solver", "options"), CASES)
def test_a_callback_does_not_change_it(backend, solver, options):
    X, y, *_ = problem(80, 3)
    watched, plain = (fastlr.train(X, y, backend=backend, solver=solver, callback=callback, **options)
                      for callback in (lambda state: False, None))
    for name in ("cost", "grad_norm", "step"):
        np.testing.assert_array_equal(getattr(watched.history, name), getattr(plain.history, name))
    assert plain.history.seconds.shape == (plain.n_iter + 1,)


def test_gradient_descent_without_a_rate_has_its_step():
    X, y, *_ = problem(80, 3)
    model = fastlr.train(X, y, solver="gd", tol=1e-3)
    a = np.column_stack([X, np.ones(80)])
    assert (model.history.step == model.history.step[0]).all()
    assert 0.9 <= model.history.step[0] * np.linalg.eigvalsh(a.T @ a)[-1] / 4 / 80 <= 1.0


def test_history_of_a_divergence(backend):
    X, y, *_ = problem(80, 3)
    with pytest.warns(fastlr.ConvergenceWarning, match="diverged"):
        model = fastlr.train(X, y, learning_rate=1e9, max_iter=100, backend=backend)
    assert model.history.cost.shape == (model.n_iter + 1,) and model.history.cost[-1] == model.cost
    assert model.history.seconds.size == model.n_iter + 1 and np.isfinite(model.history.cost).all()
    again = fastlr.train(X, y, learning_rate=1e9, max_iter=model.n_iter, backend=backend)
    np.testing.assert_array_equal(again.history.cost, model.history.cost)
    np.testing.assert_array_equal(again.w, model.w)


def test_history_without_an_update():
    X, y, *_ = problem(80, 3)
    model = fastlr.train(X, y, max_iter=0, tol=0.0)
    assert [values.size for values in model.history] == [1, 1, 0, 1]


def test_history_is_read_only():
    X, y, *_ = problem(80, 3)
    for values in fastlr.train(X, y).history:
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 0.0


# ---- progress -------------------------------------------------------------------------------------------------------

class Clock:
    """A clock for the bar, that a test moves."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("fastlr.solvers.progress.time", clock)
    return clock


def test_short_trainings_show_nothing(capsys):
    X, y, *_ = problem(80, 3)
    fastlr.train(X, y, backend="numpy", max_iter=3, learning_rate=0.1, progress=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("solver", "options"), CASES)
def test_bar_shows_the_end(solver, options, capsys, monkeypatch):
    """With no time between pictures."""
    monkeypatch.setattr("fastlr.solvers.progress.INTERVAL", 0.0)
    X, y, *_ = problem(80, 3)
    model = fastlr.train(X, y, backend="numpy", solver=solver, progress=True, **options)
    last = capsys.readouterr().err.strip("\r\n").split("\r")[-1]
    assert last.startswith("training: 100%|█")
    assert f"{model.n_iter} updates, J = " in last
    if not math.isnan(model.grad_norm):
        assert f"gradient {model.grad_norm:.1e}" in last


def pictures_of_a_second(capsys, clock):
    """What a bar shows of a thousand updates, one a millisecond."""
    progress = Progress(1e-8, 1000)
    for k in range(1001):
        clock.now = 0.001 * k
        progress.show(k, 0.5, 10.0 ** (-k / 125))
    progress.close()
    return [line for line in capsys.readouterr().err.replace("\n", "\r").split("\r") if "updates" in line]


def test_bar_is_drawn_ten_times_a_second(capsys, clock):
    shown = pictures_of_a_second(capsys, clock)
    assert 9 <= len(shown) <= 12
    assert shown[0].startswith("training:  10%|") and "100 updates" in shown[0]       # a tenth of the decades


def test_a_notebook_without_widgets_gets_two_pictures(capsys, clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ipywidgets" else name)
    shown = pictures_of_a_second(capsys, clock)
    assert {line.split(" updates")[0].split()[-1] for line in shown} == {"100", "1000"} and len(shown) <= 3, shown


@pytest.mark.parametrize(("tol", "first", "n_iter", "grad_norm", "share"), [
    (1e-8, 1.0, 5, 1e-2, 0.25), (1e-8, 1.0, 5, 1e-9, 1.0), (1e-8, 1.0, 5, 10.0, 0.0), (1e-8, 1.0, 5, 0.0, 1.0),
    (0.0, math.nan, 5, math.nan, 0.5), (1e-8, 1e-9, 5, 1e-9, 0.5), (1e-8, math.inf, 5, 1.0, 0.5)])
def test_share_of_the_way(tol, first, n_iter, grad_norm, share):
    progress = Progress(tol, 10)
    progress.show(0, 1.0, first)
    assert progress._share(n_iter, grad_norm) == pytest.approx(share)


def test_without_tqdm(monkeypatch):
    monkeypatch.setattr("fastlr.solvers.progress._is_installed", _is_installed.__wrapped__)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    X, y, *_ = problem(80, 3)
    with pytest.raises(ImportError, match=r"^progress=True needs the package tqdm; .*pip install tqdm$"):
        fastlr.train(X, y, progress=True)


# ---- the caller's own NumPy error state -----------------------------------------------------------------------------

@pytest.mark.parametrize("solver", ["gd", "newton", "lbfgs", "auto"])
def test_callbacks_run_under_the_callers_error_state(solver):
    X, y, *_ = problem(80, 3)
    seen = []

    def callback(state):
        seen.append((np.geterr(), np.geterrcall()))
        np.log(np.zeros(1))
        return fastlr.cost_and_gradient(X, y, state.w, state.b, backend="numpy")[0] < 0.0

    reported = []
    users = {"divide": "call", "over": "raise", "under": "print", "invalid": "warn"}
    with np.errstate(call=lambda kind, flag: reported.append(kind), **users):
        call = np.geterrcall()
        model = fastlr.train(X, y, solver=solver, callback=callback, backend="numpy", max_iter=20, tol=1e-6 * (solver != "gd"))
        assert np.geterr() == users
    assert model.n_iter == len(seen) > 0 and all(state == (users, call) for state in seen)
    assert reported == ["divide by zero"] * len(seen)


def test_training_itself_ignores_numpys_errors():
    """Weights whose products underflow and margins that overflow, where the caller would have all of it raised."""
    X, y, *_ = problem(80, 3, scale=1e100)
    with np.errstate(all="raise"):
        model = fastlr.train(X, y, sample_weight=np.geomspace(1e-90, 1e-20, 80), class_weight="balanced", backend="numpy",
                             learning_rate=1e-202, max_iter=2, init=(np.full(3, 1e-99), 0.0))
        fastlr.cost_and_gradient(X, y, np.full(3, 1e250), 0.0, backend="numpy")
    assert model.solver == "gd"


@pytest.mark.skipif(not _is_installed(), reason="needs tqdm")
def test_the_bar_is_drawn_under_the_callers_error_state(monkeypatch):
    import tqdm.auto

    class Bar:
        def __init__(self, **options):
            seen.append(np.geterr())

        def set_postfix_str(self, text):
            seen.append(np.geterr())

        def close(self):
            seen.append(np.geterr())

    seen = []
    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    monkeypatch.setattr("fastlr.solvers.progress.INTERVAL", 0.0)
    X, y, *_ = problem(80, 3)
    with np.errstate(all="print"):
        fastlr.train(X, y, progress=True, backend="numpy")
        assert len(seen) > 3 and all(state == np.geterr() for state in seen)
