"""Arguments that are numbers, flags, words or parameters: a check returns a plain value, or says what would have been right."""

import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fastlr.data import arrays, frames
from fastlr.data.arrays import is_not_numeric
from fastlr.machine.arrays import read_only
from fastlr.machine.wording import counted

P = ParamSpec("P")
Returned = TypeVar("Returned")


def refusing(others: Mapping[str, str]) -> Callable[[Callable[P, Returned]], Callable[P, Returned]]:
    """Let a function of the public API, or an `__init__`, refuse the arguments that other libraries have for the same thing.

    Each has a text that says what to do without it.
    """
    def decorate(function: Callable[P, Returned]) -> Callable[P, Returned]:
        @functools.wraps(function)
        def refusing_others(*arguments: P.args, **named: P.kwargs) -> Returned:
            for name in filter(others.__contains__, named):
                raise TypeError(f"fastlr.{function.__qualname__.removesuffix('.__init__')} has no {name}; {others[name]}")
            return function(*arguments, **named)

        return refusing_others

    return decorate


def number(name: str, value: Any, at_least: float | None = None, above: float | None = None) -> float:
    """A finite float within its bound."""
    try:
        if is_not_numeric(type(value)):
            raise TypeError
        result = float(value)
    except OverflowError:
        result = math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(result) or (at_least is not None and result < at_least) or (above is not None and result <= above):
        bounds = ("at least", at_least), ("above", above)
        bound = "".join(f" and {word} {limit:g}" for word, limit in bounds if limit is not None)
        raise ValueError(f"{name} must be finite{bound}, not {value!r}")
    return result


def share(name: str, value: Any) -> float:
    """A number from 0 to 1."""
    if not 0.0 <= number(name, value) <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1, not {value!r}")
    return float(value)


def level(value: Any) -> float:
    """The level of an interval, between 0 and 1."""
    if not 0.0 < number("level", value) < 1.0:
        raise ValueError(f"level must be above 0 and below 1, such as 0.95, not {value!r}")
    return float(value)


def integer(name: str, value: Any, at_least: int) -> int:
    """An int of at least a bound; 3.0 and True are no ints."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if result < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {value!r}")
    return result


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely looks like it."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """A string out of a few."""
    if not isinstance(value, str) or value not in choices:      # an array, or a Series, is neither in nor out
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return str(value)


def optional(check: Callable[..., Any], name: str, value: Any, **bounds: Any) -> Any:
    """None, or what `check` makes of the value."""
    return None if value is None else check(name, value, **bounds)


def factors(name: str, value: Any, n: int, names: tuple[str, ...] | None) -> np.ndarray:
    """Factors (n,) float64 of the penalties on n columns, which may have names: at least 0, and perhaps infinity."""
    index = frames.index_of(value)
    if index is not None and names is not None:
        frames.refuse_other_places(name, index.tolist(), "the columns of X", list(names))
    given = arrays.as_array(name, value)
    if given.ndim == 0:
        raise TypeError(f"{name} must be an array with a factor for each of the {counted(n, 'feature')} of X, not {value!r}")
    if given.shape != (n,):
        raise ValueError(f"{name} has shape {given.shape}, and X has {n} features: it must have shape ({n},)")
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, not {given.dtype}")
    bad = ~(given >= 0.0)
    if bad.any():
        j = int(np.argmax(bad))
        raise ValueError(f"{name} must be at least 0; {name}[{j}] is {float(given[j])!r}")
    return read_only(given.astype(np.float64))


def feature_names(value: Any, n: int, of_table: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of n columns that have none in a table."""
    if of_table is not None:
        raise ValueError("feature_names is for an X without names, and the columns of X have some; rename them in X, or leave "
                         "feature_names out")
    names = arrays.as_array("feature_names", value)
    if names.shape != (n,):
        raise ValueError(f"feature_names has shape {names.shape}, and X has {counted(n, 'feature')}: it must have shape ({n},)")
    listed = tuple(names.tolist())
    for j, name in enumerate(listed):
        if not isinstance(name, str):
            raise TypeError(f"feature_names must hold text; feature_names[{j}] is {name!r}")
    frames.refuse_twice("feature_names has", listed)
    return listed


def start(init: Any, n: int, n_classes: int) -> np.ndarray | None:
    """theta (n + 1,) or (K, n + 1) float64 to start from, that of (w, b) or a Model; None leaves it to the solver."""
    if init is None:
        return None
    if hasattr(init, "w") and hasattr(init, "b"):
        init = (init.w, init.b)
    try:
        w, b = init
    except (TypeError, ValueError):
        raise TypeError(f"init must be None, (w, b) or a Model, not {type(init).__name__}") from None
    if n_classes > 2:
        return class_parameters(w, b, n, n_classes, "init: ")
    return parameters(w, b, n, "init: ")


def class_parameters(w: Any, b: Any, n: int, n_classes: int, where: str = "") -> np.ndarray:
    """Theta (K, n + 1) float64: w (K, n), and b (K,) behind it."""
    w, b = arrays.as_array(f"{where}w", w), arrays.as_array(f"{where}b", b)
    if w.shape != (n_classes, n) or b.shape != (n_classes,):
        raise ValueError(f"{where}w has shape {w.shape} and b {b.shape}; with {n} features and {n_classes} classes w must have "
                         f"shape ({n_classes}, {n}) and b ({n_classes},)")
    return np.array([parameters(row, intercept, n, f"{where}class {k}: ")
                     for k, (row, intercept) in enumerate(zip(w, b.tolist(), strict=True))])


def parameters(w: Any, b: Any, n: int, where: str = "") -> np.ndarray:
    """theta (n + 1,) float64: w, and b behind it."""
    w = np.atleast_1d(arrays.as_array(f"{where}w", w))
    if w.ndim == 2 and 1 in w.shape:
        w = w.ravel()
    if w.shape != (n,):
        raise ValueError(f"{where}w has shape {w.shape}, and X has {counted(n, 'feature')}: w must have shape ({n},)")
    if w.dtype.kind not in "biuf":
        raise TypeError(f"{where}w must hold real numbers, not {w.dtype}")
    theta = np.empty(n + 1)
    theta[:n] = w
    theta[n] = number(f"{where}b", b)
    if not np.isfinite(theta).all():
        j = int(np.argmin(np.isfinite(theta)))
        raise ValueError(f"{where}w must be finite; w[{j}] is {float(theta[j])!r}")
    return theta
