"""Compiling kernels: where no library has them, and for the libraries."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

from fastlr.backends.compiled import cache, self_test
from fastlr.backends.compiled.driving import BLOCK, array_at
from fastlr.backends.compiled.header import KERNELS, Code, Kind, Parameter, cache_name, is_given_chunks, parameters
from fastlr.backends.compiled.jit import FLAGS
from fastlr.backends.compiled.prebuilt import is_inspected
from fastlr.backends.csr import Csr


@functools.cache
def function(kernel: str, kind: Kind) -> Callable[..., Any]:
    """The compiled function of a kernel, see `passes.Functions`: from the cache, or compiled for seconds."""
    return _of_arrays(kernel) if is_inspected() else _of_addresses(kernel, kind)


def _of_arrays(kernel: str) -> Callable[..., Any]:
    compiled = numba.njit(**FLAGS)(getattr(_kernel(kernel), "py_func", _kernel(kernel)))
    return lambda *arrays: functools.partial(compiled, *arrays)


def _of_addresses(kernel: str, kind: Kind) -> Callable[..., Any]:
    def of(dispatcher: Any) -> Callable[..., Any]:
        compiled = dispatcher.overloads[C_TYPES]
        return Code(kernel, kind, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name))

    def functions(other: str, other_kind: Kind, tried: Any) -> Callable[..., Any]:
        return of(tried) if other == kernel else function(other, other_kind)

    dispatcher = cache.load_or_compile(
        cache_name(kernel, kind), lambda cached: numba.njit(cache=cached, **FLAGS)(c_function(kernel, kind)), C_TYPES,
        lambda tried: self_test.is_right(kernel, kind, functools.partial(functions, tried=tried)))
    return of(dispatcher)


C_TYPES = (BLOCK, types.int64, types.int64, types.int64)
"""Numba's types of what `c_function` takes."""


def c_function(kernel: str, kind: Kind) -> Callable[..., Any]:
    """The kernel as a function of a block, see `header`: for `step`, whose first parameter is `sums`,

        def step(block, first, last, thread):
            kernel(carray(array_at(block[0]), (block[1], block[2],), dtype_0), ...)
    """
    passed, place = [], 0
    names = {"kernel": _kernel(kernel), "Csr": Csr, "array_at": array_at, "carray": numba.carray, "farray": numba.farray,
             "__name__": _module(kernel)}
    for i, parameter in enumerate(parameters(kernel, kind)):
        names[f"dtype_{i}"] = parameter.dtype
        passed.append(_argument(parameter, place, f"dtype_{i}"))
        place += parameter.places
    passed += ["first", "last", "thread"] if is_given_chunks(kernel) else []
    names |= {"int32": np.dtype("int32"), "int64": np.dtype("int64")}
    source = f"def {kernel}(block, first, last, thread):\n    kernel({', '.join(passed)})\n"
    exec(compile(source, str(importlib.import_module(_module(kernel)).__file__), "exec"), names)    # Numba caches what has a file
    made: Callable[..., Any] = names[kernel]
    return made


def _argument(parameter: Parameter, place: int, dtype: str) -> str:
    """What is passed for a parameter that begins at a place of the block."""
    at = [f"block[{place + i}]" for i in range(parameter.places)]
    if parameter.order.startswith("csr"):
        values, indices, indptr, size, m, n = at
        index = "int32" if parameter.order == "csr32" else "int64"
        return (f"Csr(carray(array_at({values}), ({size},), {dtype}), carray(array_at({indices}), ({size},), {index}), "
                f"carray(array_at({indptr}), ({m} + 1,), {index}), {n})")
    if parameter.dimensions == 0:
        return at[0]
    return f"{'farray' if parameter.order == 'F' else 'carray'}(array_at({at[0]}), ({', '.join(at[1:])},), {dtype})"


def _module(kernel: str) -> str:
    return f"fastlr.backends.compiled.{KERNELS[kernel][0]}"


def _kernel(kernel: str) -> Any:
    return getattr(importlib.import_module(_module(kernel)), kernel)
