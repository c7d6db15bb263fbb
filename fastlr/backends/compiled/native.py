"""Where the machine code of a kernel comes from: a library that was built ahead, else the compiler."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from fastlr.backends.compiled import prebuilt
from fastlr.backends.compiled.chunks import Matrix
from fastlr.backends.compiled.header import Kind, cache_name, kind_for
from fastlr.machine import forks, stopwatch
from fastlr.machine.distribution import how_to_install

_COMPILER = "fastlr.backends.compiled.on_demand"

_found: dict[tuple[str, Kind], Callable[..., Any]] = {}


def function(kernel: str, kind: Kind) -> Callable[..., Any]:
    """The compiled function of a kernel, see `passes.Functions`; it is compiled, for seconds, where nothing else has it.

    Raises
    ------
    ImportError
        There is no Numba to compile it.
    """
    if (kernel, kind) not in _found:
        _found[kernel, kind] = prebuilt.function(kernel, kind) or _compiled(kernel, kind)
    return _found[kernel, kind]


def _compiled(kernel: str, kind: Kind) -> Callable[..., Any]:
    with stopwatch.counted(), forks.starting:
        try:
            compiler = import_compiler()
        except ImportError as error:
            raise ImportError(f"backend='fused' can't be used: no library here has the kernel {kernel} for {kind}, and "
                              f"compiling it takes Numba ({error}); {how_to_install('numba')}, or use backend='numpy'") from error
        found: Callable[..., Any] = compiler.function(kernel, kind)
        return found


def import_compiler() -> ModuleType:
    """Import what compiles, and Numba with it."""
    return forks.imported(_COMPILER)


def is_ready(kernel: str, X: Matrix) -> bool:
    """Whether a call of a kernel with this X starts at once."""
    kind = kind_for(kernel, X)
    return (kernel, kind) in _found or prebuilt.has(kernel, kind)


def is_kept(kernel: str, X: Matrix) -> bool:
    """Whether a kernel that is not ready lies in the compile cache; Numba is imported to find out."""
    return bool(forks.imported("fastlr.backends.compiled.cache").has(cache_name(kernel, kind_for(kernel, X))))
