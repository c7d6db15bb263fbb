"""The only file that calls numba.njit: flags, and compiling on demand (by way of `cache`).

Four kinds of compiled function:

    helper       called from other kernels; strict arithmetic
    contracted   called from other kernels; a * b + c may be fused, nothing is reordered
    block        works on a block of rows; sums may be reordered so that they vectorise ({"reassoc", "contract"}: NaN and
                 infinity keep their meaning, which fastmath=True would take away)
    Entry        called from Python; strict; one specialisation for each dtype and layout of X, on first use

error_model="numpy" everywhere: the branch that raises ZeroDivisionError keeps a loop from vectorising.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import overload

from fastlr.backends.compiled import cache, self_test
from fastlr.backends.compiled.header import Kind, kind_of
from fastlr.backends.csr import Csr
from fastlr.machine import forks, stopwatch

FLAGS = {"error_model": "numpy", "nogil": True}
_INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}      # never called from Python: a third less to compile
_BLOCK_FLAGS = FLAGS | _INNER | {"fastmath": {"reassoc", "contract"}}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def helper(function: _Function) -> _Function:
    """Compile with strict arithmetic."""
    return cast(_Function, numba.njit(**FLAGS, **_INNER)(function))


def block(function: _Function) -> _Function:
    """Compile so that sums may be reordered, and vectorise."""
    return cast(_Function, numba.njit(**_BLOCK_FLAGS)(function))


def contracted(function: _Function) -> _Function:
    """Compile with fused multiply-add, but nothing reordered."""
    return cast(_Function, numba.njit(**FLAGS, fastmath={"contract"})(function))


def compile_as(compiled: Callable[..., Any], function: Callable[..., Any], reorders_sums: bool = False) -> None:
    """Have kernels that call a function of plain Python call another, compiled like a `block` or a `helper`."""
    overload(function, strict=False, jit_options=_BLOCK_FLAGS if reorders_sums else FLAGS | _INNER)(lambda *_: compiled)


def by_layout(c_order: Callable[..., Any], f_order: Callable[..., Any], csr: Callable[..., Any]) -> Callable[..., Any]:
    """One block kernel out of three plain functions of (X, ...), chosen by X's memory layout when compiling."""

    def kernel(X: Any, *rest: Any) -> Any:                      # runs only under NUMBA_DISABLE_JIT
        return (csr if isinstance(X, Csr) else c_order if X.flags.c_contiguous else f_order)(X, *rest)

    def choose(X: Any, *rest: Any) -> Callable[..., Any]:       # given types in place of values
        return csr if isinstance(X, numba.types.BaseTuple) else c_order if X.layout == "C" else f_order

    overload(kernel, strict=False, jit_options=_BLOCK_FLAGS)(choose)
    return kernel


def _shape_of_array(X: Any) -> tuple[int, int]:
    return X.shape[0], X.shape[1]


def _shape_of_csr(X: Any) -> tuple[int, int]:
    return X.indptr.size - 1, X.n_columns


shape_of = by_layout(_shape_of_array, _shape_of_array, _shape_of_csr)
"""shape_of(X): rows and columns."""


class Entry:
    """A kernel that Python calls, compiled for each dtype and layout of its first argument X on first use.

    Parameters
    ----------
    function : callable
        Takes X first.
    known_answer : callable
        Of `self_test`: runs what is compiled, and returns whether it is right.
    writes : tuple of str
        The parameters whose arrays the kernel writes to.  All other arrays reach it read-only, whatever the caller's are:
        Numba counts read-only and writable arrays as two types and would compile for each.
    parallel : bool
        Whether its `prange` loops run in threads.
    name : str
        What it is called in the compile cache, behind the name of its module, where the module has another.
    """

    def __init__(self, function: Callable[..., Any], known_answer: Callable[[Any, Any], bool],
                 writes: tuple[str, ...] = (), parallel: bool = False, name: str = "") -> None:
        self._function = function
        self._name = function.__module__.rpartition(".")[2] + name
        self._known_answer = known_answer
        self._is_read = [name not in writes for name in inspect.signature(function).parameters]
        self._parallel = parallel
        self._compiled: dict[Kind, Callable[..., Any]] = {}

    def __call__(self, X: np.ndarray | Csr, *rest: Any) -> Any:
        arguments = self._protected(X, *rest)
        compiled = self._compiled.get(kind_of(X))
        if compiled is None:
            compiled = self._compile(*arguments)
        return compiled(*arguments)

    def _protected(self, *arguments: Any) -> list[Any]:
        return [_read_only(value) if is_read else value for value, is_read in zip(arguments, self._is_read, strict=True)]

    def is_compiled(self, X: np.ndarray | Csr) -> bool:
        """Whether a call with this X starts at once."""
        return kind_of(X) in self._compiled

    def _compile(self, *arguments: Any) -> Callable[..., Any]:
        if numba.config.DISABLE_JIT:
            return self._function
        with stopwatch.counted(), _lock:
            X = arguments[0]
            if not self.is_compiled(X):         # by another thread, while this one waited
                kind = kind_of(X)
                name = f"{self._name}-{kind.dtype}-{kind.layout}{'-parallel' if self._parallel else ''}"
                self._compiled[kind] = cache.load_or_compile(
                    name, self._dispatcher, tuple(map(numba.typeof, arguments)),
                    lambda compiled: self._known_answer(lambda *values: compiled(*self._protected(*values)),
                                                        self_test.problem(X.dtype, kind.layout)))
            return self._compiled[kind_of(X)]

    def _dispatcher(self, cached: bool) -> Any:
        # Array expressions stay serial: only prange, whose blocks are fixed, may be split.  Numba empties this dict.
        only_prange = {"prange": True, "numpy": False, "reduction": False, "setitem": False, "stencil": False, "fusion": False}
        return numba.njit(self._function, parallel=self._parallel and only_prange, cache=cached, no_cfunc_wrapper=True, **FLAGS)


def _read_only(value: Any) -> Any:
    """A view of an array, or of the arrays in a NamedTuple, that can't be written to; all else as it is."""
    if isinstance(value, tuple):
        return type(value)(*map(_read_only, value))
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.view()
        value.flags.writeable = False
    return value


_lock = forks.starting
