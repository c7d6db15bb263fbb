"""The C interface of the kernels, the same for those that were built ahead and for those that are compiled on demand.

A kernel is a function of a module of this folder.  It works on the chunks first..last, in scratch memory that belongs to one
thread; it allocates nothing and raises nothing, and returns nothing.  In C an array is a pointer and as many sizes as it has
dimensions, which is why `ctypes` can call it without Numba; X is

    C or Fortran order      pointer, m, n
    sparse (`csr.Csr`)      values, their number, indices, indptr, m, n
"""

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.engine import RECORDS, Position
from fastlr.backends.engine import Kind as MadeFrom

KERNELS = {
    "cost_gradient": ("block_pass", "X y sample_weight offset theta ranges sums scratch first last thread"),
    "hessian_product": ("block_pass", "X curvature v ranges sums scratch first last thread"),
    "descend": ("block_pass",
                "X y sample_weight offset theta previous grad rule center spread record status ranges sums scratch"),
    "step": ("descent", "sums theta previous grad rule center spread record status"),
    "moments": ("moments", "X flat sample_weight pivot ranges sums scratch first last thread"),
    "first_read": ("moments", "X flat y sample_weight offset theta pivot ranges sums scratch rows first last thread"),
    "hessian": ("hessian",
                "X y sample_weight offset theta center floor power V losses ranges sums scratch first last thread"),
    "finish_hessian": ("hessian", "X center sums H"),
    "quasi_newton": ("quasi_newton",
                     "X y sample_weight offset at way kind factor corrections scalars center scales l2 penalty diagonal far "
                     "ratio shift numbers record theta sums H L scratch panel"),
    "penalized_newton": ("penalized_newton",
                         "X y sample_weight offset u grad shift thresholds penalty numbers record status active scratch panel H "
                         "L"),
    "softmax": ("softmax_pass", "X labels sample_weight offsets P w b center ranges sums totals scratch copies threads result "
                "first last thread"),
    "predict": ("predictions", "X offset theta margins both ranges sums scratch first last thread"),
}
"""The module and the parameters of each kernel."""

_OF_FLOAT64 = ("quasi_newton", "penalized_newton")

CURVATURE = -1
"""The power by which the kernel `hessian` adds up second derivatives, in place of squared scores."""

GRADIENT, PRODUCT, MARGINS, PROBABILITIES = range(4)
"""What the kernel `softmax` makes, as its `result` says."""

_NUMBERS = {name: np.dtype("int64") for name in ("first", "last", "thread", "threads", "rows", "result", "power")} | {
    "floor": np.dtype("float64")}
# The arrays with two dimensions, beside X.
_TABLES = ("sums", "scratch", "record", "H", "both", "way", "factor", "corrections", "L", "panel", "offsets", "P", "w", "totals",
           "copies", "V")
# The dtypes of arrays, where they are not float64.
_DTYPES: dict[str, np.dtype] = {
    "y": np.dtype("int8"), "labels": np.dtype("int32"), "ranges": np.dtype("int64"), "status": np.dtype("int64"),
    "active": np.dtype("int64"),
    "at": RECORDS[Position], "kind": RECORDS[MadeFrom]}


class Kind(NamedTuple):
    """What a kernel is compiled for."""

    dtype: str              # of the numbers in X
    layout: str             # "C", "F", "csr32" or "csr64"; "" for a kernel that takes no X

    def __str__(self) -> str:
        return f"{self.dtype}_{self.layout}" if self.layout else "any"


def kind_of(X: np.ndarray | Csr) -> Kind:
    """Dtype and layout of X."""
    if isinstance(X, Csr):
        return Kind(_name(X.values.dtype), f"csr{8 * X.indices.itemsize}")
    return Kind(_name(X.dtype), "C" if X.flags.c_contiguous else "F")


@functools.cache
def _name(dtype: np.dtype) -> str:
    return dtype.name


NO_X = Kind("float64", "")


def kind_for(kernel: str, X: np.ndarray | Csr) -> Kind:
    """What a kernel is compiled for to be called with X, or with what some take in its place: float64 in C order."""
    if not KERNELS[kernel][1].startswith("X "):
        return NO_X
    kind = kind_of(X)
    return Kind("float64", "C" if kind.layout == "F" else kind.layout) if kernel in _OF_FLOAT64 else kind


class Parameter(NamedTuple):
    """A number (no dimensions) or an array."""

    name: str
    dtype: np.dtype
    dimensions: int


@functools.cache
def parameters(kernel: str, kind: Kind) -> tuple[Parameter, ...]:
    """What Python gives a kernel for one kind of X; X itself has 2 dimensions, sparse or not."""
    return tuple(_parameter(name, kind) for name in KERNELS[kernel][1].split())


def _parameter(name: str, kind: Kind) -> Parameter:
    if name in _NUMBERS:
        return Parameter(name, _NUMBERS[name], 0)
    dtype = np.dtype(kind.dtype) if name in ("X", "flat") else _DTYPES.get(name, np.dtype("float64"))
    return Parameter(name, dtype, 2 if name in _TABLES or name == "X" else 1)


def kernels_of(kind: Kind) -> list[str]:
    """The kernels that are compiled for a kind of X."""
    is_taken = kind.dtype == "float64" and kind.layout != "F"
    return [kernel for kernel, (_, parameters) in KERNELS.items()
            if parameters.startswith("X ") == bool(kind.layout) and (is_taken or kernel not in _OF_FLOAT64)]


def symbol(kernel: str, kind: Kind) -> str:
    """The kernel's name in a library."""
    return f"fastlr_{kernel}_{kind}"


def cache_name(kernel: str, kind: Kind) -> str:
    """The kernel's name in the compile cache."""
    return f"{kernel}-{kind}"


def c_prototype(kernel: str, kind: Kind) -> Any:
    """The type that `ctypes` gives the kernel's address."""
    taken: list[Any] = []
    for name, dtype, dimensions in parameters(kernel, kind):
        if dimensions == 0:
            taken.append(ctypes.c_double if dtype.kind == "f" else ctypes.c_int64)
        elif name == "X" and kind.layout.startswith("csr"):
            taken += [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        else:
            taken += [ctypes.c_void_p] + [ctypes.c_int64] * dimensions
    return ctypes.CFUNCTYPE(None, *taken)


class Bound:
    """A kernel that has its arrays, which stay alive, and is called with the numbers that are left."""

    def __init__(self, kernel: str, kind: Kind, function: Any, *arguments: Any) -> None:
        self._function, self._arguments = function, arguments
        self._given = _c_arguments(kernel, kind, arguments)

    def __call__(self, *numbers: int) -> None:
        self._function(*self._given, *numbers)


def _c_arguments(kernel: str, kind: Kind, arguments: tuple[Any, ...]) -> list[int | float]:
    """What `ctypes` is to be given for arrays and numbers.

    Raises
    ------
    TypeError
        An array is not what the kernel was compiled for: it would read, and write, something else.
    """
    given: list[int | float] = []
    for value, (name, dtype, dimensions) in zip(arguments, parameters(kernel, kind), strict=False):
        if isinstance(value, Csr):
            given += _address(value.values), value.values.size, _address(value.indices), _address(value.indptr), *value.shape
        elif dimensions == 0:
            given.append(value)
        else:
            is_in_order = value.flags.f_contiguous if name == "X" and kind.layout == "F" else value.flags.c_contiguous
            if not (is_in_order and value.dtype == dtype and value.ndim == dimensions):
                raise TypeError(f"{name} of the kernel {kernel} must be {dtype} with {dimensions} dimensions and contiguous, not "
                                f"{value.dtype} of shape {value.shape} with strides {value.strides}")
            given.append(_address(value))
            given += value.shape
    return given


def _address(array: np.ndarray) -> int:
    if not array.size:
        return 0
    if array.flags.writeable and array.flags.c_contiguous:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))      # a fifth of the time that `array.ctypes` takes
    return array.ctypes.data
