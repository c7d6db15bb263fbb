"""A value in a computation graph, and the operations on it."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.backends.numpy_vectorized import sigmoid as _sigmoid
from fastlr.graph import drawing
from fastlr.machine.distribution import how_to_install

# What an operation gives, and its derivative by each operand.
_OPERATIONS: dict[str, Callable[..., tuple[Any, ...]]] = {
    "+": lambda p, q: (p + q, 1.0, 1.0),
    "-": lambda p, q: (p - q, 1.0, -1.0),
    "*": lambda p, q: (p * q, q, p),
    "/": lambda p, q: (p / q, 1.0 / q, -p / q / q),
    "**": lambda p, q: (p ** q, np.where(q == 0.0, 0.0, q * p ** (q - 1.0)), p ** q * np.log(p)),
    "negative": lambda p: (-p, -1.0),
    "exp": lambda p: (np.exp(p), np.exp(p)),
    "log": lambda p: (np.log(p), 1.0 / p),
    "sigmoid": lambda z: (_sigmoid(z), _sigmoid(z) * _sigmoid(-z)),     # a (1 - a), without the cancellation
    "softplus": lambda z: (np.logaddexp(0.0, z), _sigmoid(z)),
    "sum": lambda p: (np.sum(p), np.ones_like(p)),
}
_HINTS = {"log": ": log needs a positive number; for the loss of logistic regression use log_loss(z, y)",
          "/": ": the divisor must not be 0"}

_count = itertools.count()


def _nowhere(node: "Value") -> bool:
    return False


class Value:
    """A number, or an array of numbers, that knows what it was computed from.

    `+ - * / **`, `exp`, `log`, `sigmoid`, `softplus` and `sum` make Values of Values and plain numbers.  Arrays go with
    scalars and with arrays of their own shape.

    Parameters
    ----------
    value : float or array_like
        Finite real numbers; an array is copied.
    name : str
        A Value without a name is part of the formulas that it stands in: it can be differentiated by, and appears neither in
        `derivatives` nor in drawings.

    Attributes
    ----------
    value : float or float64 array
        Computed at once; read-only.
    grad : float, float64 array of the shape of `value`, or None
        The derivative by this Value of the one whose `backward` was called last; None before.
    edges : tuple of (Value, factor)
        What it was computed from, and the derivative by that: the factors of the chain rule.  Of an array by an array it is
        the derivative of each element by its counterpart.
    operation : str
        Empty for an input.
    formula : str
        How it was computed, in names; cut where it is long.

    Raises
    ------
    TypeError
        `value` is not real numbers, or `name` no text.
    ValueError
        `value` is not finite; an operation has no finite result or derivative, or arrays of different shapes.
    """

    __array_ufunc__ = None          # leaves array * Value to the Value
    __slots__ = ("_age", "_value", "edges", "formula", "grad", "name", "operation")

    def __init__(self, value: Any, name: str = "") -> None:
        self._value = _numbers(value)
        self.operation, self.formula, self.edges = "", drawing.number(self._value), tuple[tuple[Value, Any], ...]()
        self.grad: Any = None
        self._age = next(_count)
        self.named(name)

    @property
    def value(self) -> Any:
        return self._value

    def named(self, name: str) -> "Value":
        """Give this Value a name, and return it: `u = (b * c).named("u")`."""
        if not isinstance(name, str):
            raise TypeError(f"name must be text, not {name!r}")
        self.name = name
        return self

    def __repr__(self) -> str:
        return " = ".join(filter(None, (self.name, self.operation and self.formula, drawing.number(self.value))))

    def __add__(self, other: Any) -> "Value":
        return _apply("+", self, other)

    def __radd__(self, other: Any) -> "Value":
        return self if type(other) is int and other == 0 else _apply("+", other, self)      # Python's sum() starts with 0

    def __sub__(self, other: Any) -> "Value":
        return _apply("-", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return _apply("-", other, self)

    def __mul__(self, other: Any) -> "Value":
        return _apply("*", self, other)

    def __rmul__(self, other: Any) -> "Value":
        return _apply("*", other, self)

    def __truediv__(self, other: Any) -> "Value":
        return _apply("/", self, other)

    def __rtruediv__(self, other: Any) -> "Value":
        return _apply("/", other, self)

    def __pow__(self, other: Any) -> "Value":
        return _apply("**", self, other)

    def __rpow__(self, other: Any) -> "Value":
        return _apply("**", other, self)

    def __neg__(self) -> "Value":
        return _apply("negative", self)

    def exp(self) -> "Value":
        """e^self."""
        return _apply("exp", self)

    def log(self) -> "Value":
        """The natural logarithm."""
        return _apply("log", self)

    def sigmoid(self) -> "Value":
        """1 / (1 + e^-self)."""
        return _apply("sigmoid", self)

    def softplus(self) -> "Value":
        """log(1 + e^self), which neither overflows nor loses digits."""
        return _apply("softplus", self)

    def sum(self) -> "Value":
        """The sum of all elements, a scalar."""
        return _apply("sum", self)

    def backward(self) -> None:
        """Go from right to left, once, and leave in `grad` of every Value behind this one the derivative by it.

        Each call starts afresh.

        Raises
        ------
        ValueError
            This Value is an array.
        """
        for node, derivative in self._sweep().items():
            node.grad = derivative

    def derivatives(self) -> dict[str, Any]:
        """The derivatives of this Value by all named ones behind it, in the lecture's notation: "da" is dJ/da.

        `grad` is not touched.

        Raises
        ------
        ValueError
            This Value is an array, or a name stands for two Values.
        """
        named: dict[str, Any] = {}
        for node, derivative in self._sweep().items():
            if node.name and node is not self and named.setdefault(f"d{node.name}", derivative) is not derivative:
                raise ValueError(f"two Values are named {node.name!r}; give each a name of its own")
        return named

    def factors(self) -> dict["Value", float]:
        """The derivatives by the nearest Values with names, with the others of these held fixed.

        They are the factors of the chain rule: where v = a + u, `v.factors()[a]` is dv/da.

        Raises
        ------
        ValueError
            This Value is an array.
        """
        sweep = self._sweep(stop=lambda node: bool(node.name))
        return {node: factor for node, factor in sweep.items() if node.name and node is not self}

    def chain_rule(self) -> str:
        """A line for each derivative by a named Value, as the chain rule makes it of the one before.

        Raises
        ------
        ValueError
            One of them is an array.
        """
        return drawing.chain_rule(self, self._sweep())

    def to_dot(self, backward: bool = True) -> str:
        """The graph of all named Values, in the language DOT of Graphviz: values in blue, derivatives in red.

        Parameters
        ----------
        backward : bool
            Whether to draw the derivatives too.
        """
        return drawing.dot(self, self._sweep() if backward else {})

    def draw(self, backward: bool = True) -> Any:
        """The same as a graphviz.Source, which a notebook shows, and which renders to files.

        Needs the package graphviz (pip install graphviz) and the program of that name.

        Raises
        ------
        ImportError
            There is no such package.
        """
        try:
            import graphviz
        except ImportError as error:
            raise ImportError("drawing needs the package graphviz, to_dot() none; " + how_to_install("graphviz")) from error
        return graphviz.Source(self.to_dot(backward))

    def _repr_svg_(self) -> str | None:
        """What a notebook shows, or None where this can't be drawn: then it shows the text."""
        return drawing.svg(self)

    def _sweep(self, stop: Callable[["Value"], bool] = _nowhere) -> dict["Value", Any]:
        """The derivative by this Value itself, which is 1, and by each one behind it; not by those behind one where to stop."""
        if np.ndim(self.value):
            raise ValueError(f"derivatives are of one number, and {self.name or self.formula} has shape {self.value.shape}; "
                             "take its sum()")
        derivative: dict[Value, Any] = {self: 1.0}
        for node in self._right_to_left(stop):
            for source, factor in node.edges:
                change = derivative[node] * factor
                if isinstance(change, np.ndarray) and not isinstance(source.value, np.ndarray):
                    change = float(change.sum())            # one number has a part in every element
                derivative[source] = derivative.get(source, 0.0) + change
        return derivative

    def _right_to_left(self, stop: Callable[["Value"], bool] = _nowhere) -> list["Value"]:
        """This Value and those behind it, each before what it was computed from: from the youngest to the oldest."""
        found, waiting = {self}, [self]
        while waiting:
            for source, _ in waiting.pop().edges:
                if source not in found and not stop(source):
                    found.add(source)
                    waiting.append(source)
        return sorted(found, key=lambda node: node._age, reverse=True)


def exp(x: Any) -> Value:
    """e^x."""
    return _apply("exp", x)


def log(x: Any) -> Value:
    """The natural logarithm."""
    return _apply("log", x)


def sigmoid(z: Any) -> Value:
    """1 / (1 + e^-z)."""
    return _apply("sigmoid", z)


def softplus(z: Any) -> Value:
    """log(1 + e^z), which neither overflows nor loses digits."""
    return _apply("softplus", z)


def log_loss(z: Any, y: Any) -> Value:
    """-(y log a + (1 - y) log(1 - a)) with a = sigmoid(z), for any margin z.

    Written with a, the loss ends at z = 37, where a rounds to 1 and log(1 - a) is lost.  But log(1 - a) is -softplus(z), and
    log a is -softplus(-z); softplus is finite for every z, and so is its derivative, sigmoid.

    Parameters
    ----------
    z : Value
    y : float or array
        0 or 1.

    Raises
    ------
    ValueError
        Some y is neither 0 nor 1.

    Examples
    --------
    >>> from fastlr.graph import Value, log_loss
    >>> L = log_loss(Value(-1000.0, "z"), 1)
    >>> L.value, L.derivatives()
    (1000.0, {'dz': -1.0})
    """
    y = _numbers(y)
    if not np.all((y == 0.0) | (y == 1.0)):
        raise ValueError(f"y must be 0 or 1, not {drawing.number(y)}")
    return softplus((1.0 - 2.0 * y) * z)


def logistic_cost(X: Any, y: Any, w: Any, b: float, *, reduction: str = "mean", l2: float = 0.0, sample_weight: Any = None,
                  offset: Any = None) -> Value:
    """The cost J of logistic regression as a graph of w1, w2, ..., b: what `fastlr.cost_and_gradient` computes.

    Parameters
    ----------
    X, y, w, b, reduction, l2, sample_weight, offset
        As for `fastlr.cost_and_gradient`.

    Returns
    -------
    Value
        Named J.  Named Values behind it are z (m,), w1, w2, ... and b.

    Examples
    --------
    >>> from fastlr.graph import logistic_cost
    >>> J = logistic_cost([[1, 3], [-2, 0.5], [-1, -3.2]], [1, 1, 0], [1, 2], 1.5)
    >>> round(J.value, 10), {name: round(J.derivatives()[name], 6) for name in ("dw1", "dw2", "db")}
    (0.1590053771, {'dw1': 0.250715, 'dw2': -0.066041, 'db': -0.125004})
    """
    X = np.asarray(X, np.float64)
    s = np.ones(X.shape[0]) if sample_weight is None else np.asarray(sample_weight, np.float64)
    parameters = [Value(value, f"w{j}") for j, value in enumerate(w, start=1)]
    z = sum(w_j * x_j for w_j, x_j in zip(parameters, X.T, strict=True)) + Value(b, "b")
    if offset is not None:
        z = z + offset
    losses = log_loss(z.named("z"), y)
    J = losses.sum() if sample_weight is None else (s * losses).sum()
    if reduction == "mean":
        J = J / s.sum()
    if l2:
        J = J + l2 / 2.0 * sum(w_j ** 2 for w_j in parameters)
    return J.named("J")


def _apply(operation: str, *operands: Any) -> Value:
    """Left to right: the result, which remembers its operands and its derivatives by them."""
    values = [operand.value if isinstance(operand, Value) else _numbers(operand) for operand in operands]
    formula = drawing.formula(operation, [x if isinstance(x, Value) else v for x, v in zip(operands, values, strict=True)])
    shapes = [value.shape for value in values if isinstance(value, np.ndarray)]
    if len(set(shapes)) > 1:
        raise ValueError(f"{formula} is of arrays of different shapes, {' and '.join(map(str, shapes))}; arrays go with "
                         "scalars and with arrays of their own shape")
    with np.errstate(all="ignore"):
        value, *factors = map(_plain, _OPERATIONS[operation](*map(np.float64, values)))
    edges = tuple((operand, factor) for operand, factor in zip(operands, factors, strict=True) if isinstance(operand, Value))
    for what, numbers in (("value", value), *(("derivative", factor) for _, factor in edges)):
        if not _are_finite(numbers):
            raise ValueError(f"{formula} has no finite {what} {_place(operands, values, numbers)}{_HINTS.get(operation, '')}")
    result = Value(value)
    result.operation, result.formula, result.edges = operation, formula, edges
    return result


def _plain(numbers: Any) -> Any:
    """A float, or a read-only array."""
    if isinstance(numbers, np.ndarray) and numbers.ndim:
        numbers.flags.writeable = False
        return numbers
    return float(numbers)


def _are_finite(numbers: Any) -> bool:
    return bool(np.isfinite(numbers).all()) if isinstance(numbers, np.ndarray) else math.isfinite(numbers)


def _numbers(value: Any) -> Any:
    """The same, of what somebody passed in: a copy that has been checked."""
    if type(value) is float and math.isfinite(value):
        return value
    A = np.asarray(value)
    if A.dtype.kind not in "biuf":
        hint = "; a result gets its name from named()" if isinstance(value, Value) else ""
        raise TypeError(f"a Value holds real numbers, not {value!r}{hint}")
    if not _are_finite(A):
        raise ValueError(f"a Value holds finite numbers, not {value!r}")
    return _plain(A.astype(np.float64))


def _place(operands: tuple[Any, ...], values: list[Any], numbers: Any) -> str:
    """ "where a = 0", with the operands that are Values, where the first number is that is not finite."""
    where = tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())
    at = []
    for operand, value in zip(operands, values, strict=True):
        if isinstance(operand, Value):
            element = bool(where) and isinstance(value, np.ndarray)
            at.append(f"{drawing.label(operand)}{list(where) if element else ''} = "
                      f"{drawing.number(value[where] if element else value)}")
    return f"where {' and '.join(at)}"
