"""The C interface of the kernels, the same for those that were built ahead and for those that are compiled on demand.

A kernel is a function of a module of this folder.  It works on the chunks first..last, in scratch memory that belongs to one
thread; it allocates nothing and raises nothing, and returns nothing.  In C all of them have one type,

    void kernel(const int64_t *block, int64_t first, int64_t last, int64_t thread)

so that `ctypes`, and kernels that drive others, can call any of them.  The block has what the kernel is bound to.  An array is an
address and as many sizes as it has dimensions, a number is itself, and X is

    C or Fortran order      address, m, n
    sparse (`csr.Csr`)      addresses of values, indices and indptr, the number of values, m, n
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
    "residuals": ("block_pass", "X y sample_weight offset theta residuals ranges sums scratch first last thread"),
    "grouped_scores": ("block_pass",
                       "X y sample_weight offset theta places losses ranges sums scratch first last thread"),
    "moments": ("moments", "X flat sample_weight pivot ranges sums scratch first last thread"),
    "first_read": ("moments", "X flat y sample_weight offset theta pivot ranges sums scratch rows first last thread"),
    "hessian": ("hessian",
                "X y sample_weight offset theta center floor power V losses ranges sums scratch first last thread"),
    "margins_and_forms": ("hessian", "X offset theta center V z forms ranges scratch first last thread"),
    "finish_hessian": ("hessian", "X center sums H"),
    "penalized_newton": ("penalized_newton",
                         "X y sample_weight offset u grad shift thresholds penalty numbers record status active held scratch "
                         "panel H L"),
    "softmax": ("softmax_pass", "X labels sample_weight offsets P w b center ranges sums totals scratch copies threads result "
                "first last thread"),
    "predict": ("predictions", "X offset theta margins both ranges sums scratch first last thread"),
    "intervals": ("predictions", "odds width bounds ranges scratch first last thread"),
    "step": ("descent", "sums theta previous grad rule center spread record status"),
    "descend": ("descent", "calls sums theta previous grad rule center spread record status"),
    "quasi_newton": ("quasi_newton",
                     "calls at way kind factor corrections scalars center scales l2 penalty diagonal far ratio shift common "
                     "numbers record begun strides flat_w b flat_sums flat_totals P sample_weight weights H whole L"),
}
"""The module and the parameters of each kernel."""

_OF_FLOAT64 = ("penalized_newton",)
_OF_DENSE = ("grouped_scores",)
_OF_CALL = ("first", "last", "thread")          # parameters that each call gives

CURVATURE = -1
"""The power by which the kernel `hessian` adds up second derivatives, in place of squared scores."""

GRADIENT, PRODUCT, MARGINS, PROBABILITIES = range(4)
"""What the kernel `softmax` makes, as its `result` says."""

COST_GRADIENT, HESSIAN_OF_ROWS, FINISH_HESSIAN, PROBABILITIES_OF_ROWS = range(4)
"""The kernels that `quasi_newton` calls, by their places; the last where there are K classes."""

# Whole numbers.
_NUMBERS = ("threads", "rows", "result", "power", "begun")
# The arrays with two dimensions, beside X.
_TABLES = ("sums", "scratch", "record", "H", "both", "way", "factor", "corrections", "L", "panel", "offsets", "P", "w", "totals",
           "copies", "V", "calls", "whole", "bounds")
# The dtypes of arrays, where they are not float64.
_DTYPES: dict[str, np.dtype] = {
    "y": np.dtype("int8"), "labels": np.dtype("int32"), "ranges": np.dtype("int64"), "status": np.dtype("int64"),
    "active": np.dtype("int64"), "held": np.dtype("int64"), "places": np.dtype("int64"), "calls": np.dtype("int64"),
    "strides": np.dtype("int64"), "at": RECORDS[Position], "kind": RECORDS[MadeFrom]}


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
    """A number (no dimensions) or an array that a kernel is bound to."""

    name: str
    dtype: np.dtype
    dimensions: int
    order: str              # "C" or "F", or for a `Csr` its layout

    @property
    def places(self) -> int:
        """The numbers that it takes in a block."""
        return 6 if self.order.startswith("csr") else 1 + self.dimensions


@functools.cache
def parameters(kernel: str, kind: Kind) -> tuple[Parameter, ...]:
    """What Python binds a kernel to for one kind of X; X itself has 2 dimensions, sparse or not."""
    names = KERNELS[kernel][1].split()
    return tuple(_parameter(name, kind) for name in names if name not in _OF_CALL)


def is_given_chunks(kernel: str) -> bool:
    """Whether a kernel works on the chunks that a call names."""
    return KERNELS[kernel][1].endswith(" ".join(_OF_CALL))


def _parameter(name: str, kind: Kind) -> Parameter:
    if name in _NUMBERS:
        return Parameter(name, np.dtype("int64"), 0, "C")
    if name == "X":
        return Parameter(name, np.dtype(kind.dtype), 2, kind.layout)
    dtype = np.dtype(kind.dtype) if name == "flat" else _DTYPES.get(name, np.dtype("float64"))
    return Parameter(name, dtype, 2 if name in _TABLES else 1, "C")


def kernels_of(kind: Kind) -> list[str]:
    """The kernels that are compiled for a kind of X."""
    left_out = (*(() if kind.dtype == "float64" and kind.layout != "F" else _OF_FLOAT64),
                *(_OF_DENSE if kind.layout.startswith("csr") else ()))
    return [kernel for kernel, (_, parameters) in KERNELS.items()
            if parameters.startswith("X ") == bool(kind.layout) and kernel not in left_out]


def symbol(kernel: str, kind: Kind) -> str:
    """The kernel's name in a library."""
    return f"fastlr_{kernel}_{kind}"


def cache_name(kernel: str, kind: Kind) -> str:
    """The kernel's name in the compile cache."""
    return f"{kernel}-{kind}"


_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class Code:
    """The machine code of a kernel for a kind of X, at an address."""

    def __init__(self, kernel: str, kind: Kind, address: int) -> None:
        self.kernel, self.kind, self.address, self.function = kernel, kind, address, _PROTOTYPE(address)

    def __call__(self, *arguments: Any) -> "Bound":
        """Bind the kernel to what it works on: an array, `Csr` or number for each of `parameters`."""
        return Bound(self, arguments)


class Bound:
    """A kernel with its block, and the arrays whose addresses are in it.

    Raises
    ------
    TypeError
        An array is not what the kernel was compiled for: it would read, and write, something else.
    """

    def __init__(self, code: Code, arguments: tuple[Any, ...]) -> None:
        self._arguments, self._block = arguments, np.array(_block(code.kernel, code.kind, arguments), np.int64)
        self._function, block = code.function, _address(self._block)
        self.addresses = code.address, block

    def __call__(self, first: int = 0, last: int = 0, thread: int = 0) -> None:
        self._function(self.addresses[1], first, last, thread)


def calls(*kernels: tuple[Bound, int]) -> np.ndarray:
    """What a driver is given to run kernels, each for so many chunks, (kernels, 3); it does not keep them alive."""
    return np.array([(*bound.addresses, chunks) for bound, chunks in kernels])


def _block(kernel: str, kind: Kind, arguments: tuple[Any, ...]) -> list[int]:
    found: list[int] = []
    for value, (name, dtype, dimensions, order) in zip(arguments, parameters(kernel, kind), strict=True):
        if isinstance(value, np.ndarray):
            flags = value.flags
            is_in_order = flags.f_contiguous if order == "F" else flags.c_contiguous
            if not is_in_order or value.dtype != dtype or value.ndim != dimensions:
                raise TypeError(f"{name} of the kernel {kernel} must be {dtype} with {dimensions} dimensions and contiguous, not "
                                f"{value.dtype} of shape {value.shape} with strides {value.strides}")
            found.append(_address(value))
            found += value.shape
        elif isinstance(value, Csr):
            found += (_address(value.values), _address(value.indices), _address(value.indptr), value.values.size, *value.shape)
        else:
            found.append(value)
    return found


def _address(array: np.ndarray) -> int:
    flags = array.flags
    if not array.size:
        return 0
    if flags.writeable and flags.c_contiguous:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))  # a fifth of the time that `array.ctypes` takes
    return array.ctypes.data
