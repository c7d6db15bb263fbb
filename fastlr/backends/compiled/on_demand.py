"""Compiling kernels: where no library has them, and for the libraries."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numba
from numba import types

from fastlr.backends.compiled import cache, self_test
from fastlr.backends.compiled.header import KERNELS, Bound, Kind, c_prototype, cache_name, parameters
from fastlr.backends.compiled.jit import FLAGS
from fastlr.backends.csr import Csr

_compiled: dict[tuple[str, Kind], Callable[..., Any]] = {}


def function(kernel: str, kind: Kind) -> Callable[..., Any]:
    """The compiled function of a kernel, see `passes.Functions`: from the cache, or compiled for seconds."""
    if (kernel, kind) not in _compiled:
        _compiled[kernel, kind] = _of_arrays(kernel) if _is_inspected() else _of_pointers(kernel, kind)
    return _compiled[kernel, kind]


def _is_inspected() -> bool:
    """Whether the user wants plain Python, or IndexError, from kernels: a C function can't raise."""
    return bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK)


def _of_arrays(kernel: str) -> Callable[..., Any]:
    plain = getattr(_kernel(kernel), "py_func", _kernel(kernel))
    return lambda *arrays: functools.partial(numba.njit(**FLAGS)(plain), *arrays)


def _of_pointers(kernel: str, kind: Kind) -> Callable[..., Any]:
    taken = pointer_types(kernel, kind)

    def of(dispatcher: Any) -> Callable[..., Any]:
        compiled = dispatcher.overloads[taken]
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
        return functools.partial(Bound, kernel, kind, c_prototype(kernel, kind)(address))

    def functions(other: str, other_kind: Kind, tried: Any) -> Callable[..., Any]:
        return of(tried) if other == kernel else function(other, other_kind)

    dispatcher = cache.load_or_compile(
        cache_name(kernel, kind), lambda cached: numba.njit(cache=cached, **FLAGS)(pointer_function(kernel, kind)), taken,
        lambda tried: self_test.is_right(kernel, kind, functools.partial(functions, tried=tried)))
    return of(dispatcher)


def pointer_types(kernel: str, kind: Kind) -> tuple[Any, ...]:
    """Numba's types of what `pointer_function` takes."""
    found: list[Any] = []
    for name, dtype, dimensions in parameters(kernel, kind):
        one = numba.from_dtype(dtype)
        sizes = [types.int64] * dimensions
        if name == "X" and kind.layout.startswith("csr"):
            indices = types.CPointer(types.int32 if kind.layout == "csr32" else types.int64)
            found += [types.CPointer(one), types.int64, indices, indices, *sizes]
        else:
            found += [types.CPointer(one), *sizes] if dimensions else [one]
    return tuple(found)


def pointer_function(kernel: str, kind: Kind) -> Callable[..., Any]:
    """The kernel as a function of pointers and sizes, see `header`: for `step`, whose first parameter is `sums`,

        def step(sums, sums_0, sums_1, ...):
            kernel(carray(sums, (sums_0, sums_1,)), ...)
    """
    given, passed = [], []
    for name, _, dimensions in parameters(kernel, kind):
        sizes = [f"{name}_{i}" for i in range(dimensions)]
        if name == "X" and kind.layout.startswith("csr"):
            given += ["X", "X_size", "X_indices", "X_indptr", *sizes]
            passed.append("Csr(carray(X, (X_size,)), carray(X_indices, (X_size,)), carray(X_indptr, (X_0 + 1,)), X_1)")
        else:
            given += [name, *sizes]
            order = "farray" if name == "X" and kind.layout == "F" else "carray"
            passed.append(f"{order}({name}, ({', '.join(sizes)},))" if dimensions else name)
    source = f"def {kernel}({', '.join(given)}):\n    kernel({', '.join(passed)})\n"
    names = {"kernel": _kernel(kernel), "Csr": Csr, "carray": numba.carray, "farray": numba.farray, "__name__": _module(kernel)}
    exec(compile(source, str(importlib.import_module(_module(kernel)).__file__), "exec"), names)    # Numba caches what has a file
    made: Callable[..., Any] = names[kernel]
    return made


def _module(kernel: str) -> str:
    return f"fastlr.backends.compiled.{KERNELS[kernel][0]}"


def _kernel(kernel: str) -> Any:
    return getattr(importlib.import_module(_module(kernel)), kernel)
