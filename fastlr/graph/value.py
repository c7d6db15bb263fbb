"""A value in a computation graph, and the operations on it."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.backends.logistic import sigmoid as _sigmoid
from fastlr.graph import drawing
from fastlr.machine.distribution import needed

# The functions of NumPy that are operations on Values too.
_OF_NUMPY: dict[Callable, str] = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/", np.power: "**", np.negative: "negative", np.exp: "exp",
    np.log: "log", np.matmul: "@", np.dot: "@", np.sum: "sum", np.transpose: "transpose"}

# The value of each operation, and its derivative by each operand.
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
    "@": lambda p, q: (p @ q, *_matrix_product_backward(p, q)),
    "transpose": lambda p: (p.T, _LinearMap(np.transpose)),
    "loss": lambda a, z, y: (np.logaddexp(0.0, (1 - 2 * y) * z), (1 - 2 * y) / _sigmoid((2 * y - 1) * z), 0.0, 0.0),
}
_HINTS = {"log": ": log needs a positive number; for the loss of logistic regression use log_loss(z, y)",
          "/": ": the divisor must not be 0"}

_count = itertools.count()


class _LinearMap:
    """A factor of the chain rule that is no number for each element: it maps a derivative to that of the operand."""

    __array_ufunc__ = None          # leaves array * _LinearMap to __rmul__

    def __init__(self, backward: Callable[[Any], Any]) -> None:
        self._backward = backward

    def __rmul__(self, derivative: Any) -> Any:
        return self._backward(derivative)


def _matrix_product_backward(p: np.ndarray, q: np.ndarray) -> tuple[_LinearMap, _LinearMap]:
    """Both factors of p @ q: with P Q of derivative D they are D Q^T and P^T D; a vector is a row P or a column Q."""
    P, Q = np.atleast_2d(p), q.reshape(q.shape[0], -1)
    shape = P.shape[0], Q.shape[1]
    return (_LinearMap(lambda D: (np.reshape(D, shape) @ Q.T).reshape(p.shape)),
            _LinearMap(lambda D: (P.T @ np.reshape(D, shape)).reshape(q.shape)))


def _operator(operation: str) -> tuple[Callable[["Value", Any], "Value"], Callable[["Value", Any], "Value"]]:
    """The methods of an operator: for a Value on its left side, and on its right side alone."""
    return lambda self, other: applied(operation, self, other), lambda self, other: applied(operation, other, self)


class Value:
    """A number, or an array of numbers, that knows what it was computed from.

    `+ - * / **`, `exp`, `log`, `sigmoid`, `softplus` and `sum` make Values of Values and plain numbers.  An array goes with
    scalars and with arrays of its own shape.  `@` and `np.dot` multiply vectors and matrices, and `A.T` is a transpose.
    ``np.exp``, ``np.log`` and ``np.sum`` are the functions of the same name.

    Parameters
    ----------
    value : float or array_like
        Finite real numbers; an array is copied.
    name : str
        The name in formulas, derivatives and drawings.  A Value without one is part of the formulas that it stands in, and
        appears neither in `derivatives` nor in drawings.

    Attributes
    ----------
    value : float or float64 array
        The result, which is computed at once and read-only.
    grad : float, float64 array of the shape of `value`, or None
        The derivative, with respect to this Value, of the Value whose `backward` was called last; None before that.
    edges : tuple of (Value, factor)
        The operands, and the derivatives with respect to them, which are the factors of the chain rule.  Between arrays, a factor
        has the derivative of each element with respect to its counterpart.  That of a matrix product is a linear map.
    operation : str
        The name of the operation; empty for an input.
    operands : tuple
        What the operation was applied to: Values and plain numbers.
    formula : str
        The operation in names; cut if it is long.

    Raises
    ------
    TypeError
        `value` does not hold real numbers, or `name` is not text.
    ValueError
        `value` is not finite, an operation has no finite result or derivative, or arrays have different shapes.
    """

    __slots__ = ("_age", "_value", "edges", "formula", "grad", "name", "operands", "operation")

    def __init__(self, value: Any, name: str = "") -> None:
        self._value = real_numbers(value)
        self.operation, self.formula, self.edges = "", drawing.number(self._value), tuple[tuple[Value, Any], ...]()
        self.operands: tuple[Any, ...] = ()
        self.grad: Any = None
        self._age = next(_count)
        self.named(name)

    @property
    def value(self) -> Any:
        return self._value

    @property
    def T(self) -> "Value":
        """The transpose of a matrix."""
        return applied("transpose", self)

    def named(self, name: str) -> "Value":
        """Give this Value a name, and return it: `u = (b * c).named("u")`."""
        if not isinstance(name, str):
            raise TypeError(f"name must be text, not {name!r}")
        self.name = name
        return self

    def __repr__(self) -> str:
        return " = ".join(filter(None, (self.name, self.operation and self.formula, drawing.number(self.value))))

    def __radd__(self, other: Any) -> "Value":
        return self if type(other) is int and other == 0 else applied("+", other, self)     # Python's sum() starts with 0

    __add__ = _operator("+")[0]
    __sub__, __rsub__ = _operator("-")
    __mul__, __rmul__ = _operator("*")
    __truediv__, __rtruediv__ = _operator("/")
    __pow__, __rpow__ = _operator("**")
    __matmul__, __rmatmul__ = _operator("@")

    def __neg__(self) -> "Value":
        return applied("negative", self)

    def __array_ufunc__(self, function: np.ufunc, method: str, *operands: Any, **options: Any) -> "Value":
        """Let NumPy's functions take Values: `np.exp(z)`, and `x * z` with an array x."""
        return _apply_numpy(function, operands, options if method == "__call__" else {"method": method})

    def __array_function__(self, function: Callable, types: Any, operands: tuple[Any, ...], options: dict[str, Any]) -> "Value":
        """Let NumPy's other functions take Values: `np.dot(w, x)`."""
        return _apply_numpy(function, operands, options)

    def exp(self) -> "Value":
        """Return e^self."""
        return applied("exp", self)

    def log(self) -> "Value":
        """Return the natural logarithm of self."""
        return applied("log", self)

    def sigmoid(self) -> "Value":
        """Return 1 / (1 + e^-self)."""
        return applied("sigmoid", self)

    def softplus(self) -> "Value":
        """Return log(1 + e^self), which neither overflows nor loses digits."""
        return applied("softplus", self)

    def sum(self) -> "Value":
        """Return the sum of all elements, a scalar."""
        return applied("sum", self)

    def backward(self) -> None:
        """Go from right to left once, and set `grad` of every Value behind this one to the derivative with respect to it.

        Each call starts over: derivatives of earlier calls are overwritten.

        Raises
        ------
        ValueError
            This Value is an array.
        """
        for node, derivative in self._sweep().items():
            node.grad = derivative

    def derivatives(self) -> dict[str, Any]:
        """Return the derivatives with respect to all named Values behind this one, as the lecture writes them: "da" is dJ/da.

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
        """Return the factors of the chain rule: the derivatives with respect to the nearest named Values.

        The other named Values are held fixed.  With v = a + u, `v.factors()[a]` is dv/da.

        Raises
        ------
        ValueError
            This Value is an array.
        """
        sweep = self._sweep(stop=lambda node: bool(node.name))
        return {node: factor for node, factor in sweep.items() if node.name and node is not self}

    def chain_rule(self) -> str:
        """Write out the chain rule, one line for each derivative with respect to a named Value.

        Of an array, the first elements are shown.  Where no step on the way to this Value has a name, the steps are u1, u2, ...

        Raises
        ------
        ValueError
            This Value is an array.
        """
        return drawing.chain_rule(self, self._sweep())

    def to_dot(self, backward: bool = True) -> str:
        """Draw the named Values in Graphviz's language DOT: values in blue, derivatives in red.

        Where no step on the way to this Value has a name, all steps are drawn, as u1, u2, ...

        Parameters
        ----------
        backward : bool
            Whether to draw the derivatives too.
        """
        return drawing.dot(self, self._sweep() if backward else {})

    def draw(self, backward: bool = True) -> Any:
        """Draw the named Values as a graphviz.Source, which a notebook shows and which renders to files.

        Where no step on the way to this Value has a name, all steps are drawn, as u1, u2, ...
        This needs the package graphviz (pip install graphviz) and the program of that name.

        Raises
        ------
        ImportError
            The package graphviz is not installed.
        """
        return needed("graphviz", "graphviz", "drawing, unlike to_dot(),").Source(self.to_dot(backward))

    def _repr_svg_(self) -> str | None:
        """Draw for a notebook; None if this can't be drawn, and then the notebook shows the text."""
        return drawing.svg(self)

    def _sweep(self, stop: Callable[["Value"], bool] = lambda node: False) -> dict["Value", Any]:
        """The derivatives with respect to this Value itself (1) and to all Values behind it, but not beyond where to stop."""
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

    def _right_to_left(self, stop: Callable[["Value"], bool] = lambda node: False) -> list["Value"]:
        """This Value and those behind it, from the youngest to the oldest, so that each comes before its operands."""
        found, waiting = {self}, [self]
        while waiting:
            for source, _ in waiting.pop().edges:
                if source not in found and not stop(source):
                    found.add(source)
                    waiting.append(source)
        return sorted(found, key=lambda node: node._age, reverse=True)


def exp(x: Any) -> Value:
    """Return e^x as a Value."""
    return applied("exp", x)


def log(x: Any) -> Value:
    """Return the natural logarithm of x as a Value."""
    return applied("log", x)


def sigmoid(z: Any) -> Value:
    """Return 1 / (1 + e^-z) as a Value."""
    return applied("sigmoid", z)


def softplus(z: Any) -> Value:
    """Return log(1 + e^z) as a Value; it neither overflows nor loses digits."""
    return applied("softplus", z)


def applied(operation: str, *operands: Any) -> Value:
    """Go one step from left to right: the result remembers its operands and its derivatives with respect to them."""
    values = [operand.value if isinstance(operand, Value) else real_numbers(operand) for operand in operands]
    formula = drawing.formula(operation, [x if isinstance(x, Value) else v for x, v in zip(operands, values, strict=True)])
    shapes = [np.shape(value) for value in values]
    if operation == "@":
        left, right = shapes
        if not (len(left) in (1, 2) and len(right) in (1, 2) and left[-1] == right[0]):
            hint = "; numbers are multiplied by *" if () in shapes else ""
            raise ValueError(f"{formula} is of shapes {left} and {right}; a matrix product is of (k, n) and (n, m), and either "
                             f"may be a vector (n,){hint}")
    elif len({*shapes} - {()}) > 1:
        raise ValueError(f"{formula} is of arrays of different shapes, {' and '.join(str(shape) for shape in shapes if shape)}; "
                         "arrays go with scalars and with arrays of their own shape")
    with np.errstate(all="ignore"):
        value, *factors = map(_plain, _OPERATIONS[operation](*map(np.float64, values)))
    edges = tuple((operand, factor) for operand, factor in zip(operands, factors, strict=True) if isinstance(operand, Value))
    for what, numbers in (("value", value), *(("derivative", factor) for _, factor in edges)):
        if not _are_finite(numbers):
            raise ValueError(f"{formula} has no finite {what} {_place(operands, values, numbers)}{_HINTS.get(operation, '')}")
    result = Value(value)
    result.operation, result.formula, result.operands, result.edges = operation, formula, operands, edges
    return result


def _apply_numpy(function: Callable, operands: tuple[Any, ...], options: dict[str, Any]) -> Value:
    if function not in _OF_NUMPY or options:
        what = ", ".join([function.__name__, *(f"{name}={value!r}" for name, value in options.items())])
        names = ", ".join(f"np.{known.__name__}" for known in _OF_NUMPY)
        raise TypeError(f"a Value does not support np.{what}; it supports {names}, without options, and sigmoid, softplus and "
                        "log_loss of fastlr.graph")
    return applied(_OF_NUMPY[function], *operands)


def _plain(numbers: Any) -> Any:
    """Return numbers as a float or a read-only array, and a linear map as it is."""
    if isinstance(numbers, _LinearMap):
        return numbers
    if isinstance(numbers, np.ndarray) and numbers.ndim:
        numbers.flags.writeable = False
        return numbers
    return float(numbers)


def _are_finite(numbers: Any) -> bool:
    if isinstance(numbers, _LinearMap):         # of finite matrices
        return True
    return bool(np.isfinite(numbers).all()) if isinstance(numbers, np.ndarray) else math.isfinite(numbers)


def real_numbers(value: Any) -> Any:
    """Copy and check the numbers that a caller passed in: a float or a read-only array."""
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
    """Name the operands that are Values at the first number that is not finite, such as "where a = 0"."""
    where = tuple(np.argwhere(~np.isfinite(numbers))[0].tolist())
    at = []
    for operand, value in zip(operands, values, strict=True):
        if isinstance(operand, Value):
            element = bool(where) and isinstance(value, np.ndarray)
            at.append(f"{drawing.label(operand)}{list(where) if element else ''} = "
                      f"{drawing.number(value[where] if element else value)}")
    return f"where {' and '.join(at)}"
