"""How compiled code reads the block of a kernel, and how one kernel calls another: both by address, see `header`.

A driver is a kernel that takes no X.  It goes through the steps of a descent, and leaves what reads X to the kernels whose
addresses it is given: so it is compiled once for all kinds of X.
"""

from collections.abc import Callable
from typing import Any, cast

import numba.extending
from llvmlite import ir
from numba import types

from fastlr.backends.compiled.jit import helper

BLOCK = types.CPointer(types.int64)

_intrinsic = cast(Callable[[Callable[..., Any]], Any], numba.extending.intrinsic)


@_intrinsic
def array_at(typing: Any, address: Any) -> Any:
    """The pointer that an address is, for `numba.carray`."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@_intrinsic
def _call(typing: Any, address: Any, block: Any, last: Any) -> Any:
    """Call a kernel for the chunks before the last, on thread 0."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(64)
        kernel = builder.inttoptr(arguments[0], ir.FunctionType(ir.VoidType(), [number] * 4).as_pointer())
        builder.call(kernel, [arguments[1], number(0), arguments[2], number(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@helper
def run_kernel(calls: Any, i: int) -> None:
    """Run kernel i of `header.calls` for all its chunks."""
    _call(calls[i, 0], calls[i, 1], calls[i, 2])
