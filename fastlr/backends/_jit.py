"""The only file that calls numba.njit: flags, compile on demand, compile cache.

Four kinds of compiled function:

    helper       called from other kernels; strict arithmetic
    contracted   called from other kernels; a * b + c may be fused, nothing is reordered
    block        works on a block of rows; sums may be reordered so that they vectorise ({"reassoc", "contract"}: NaN and
                 infinity keep their meaning, which fastmath=True would take away)
    Entry        called from Python; strict; one specialisation for each dtype and memory order of X, on first use

error_model="numpy" everywhere: the branch that raises ZeroDivisionError keeps a loop from vectorising.
"""

import contextlib
import functools
import hashlib
import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import numba
import numpy as np
from numba.extending import overload

from fastlr.backends import _forks, _startup

_FLAGS = {"error_model": "numpy", "nogil": True}
_INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}      # never called from Python: a third less to compile
_BLOCK_FLAGS = _FLAGS | _INNER | {"fastmath": {"reassoc", "contract"}}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def helper(function: _Function) -> _Function:
    """Compile with strict arithmetic."""
    return cast(_Function, numba.njit(**_FLAGS, **_INNER)(function))


def block(function: _Function) -> _Function:
    """Compile so that sums may be reordered, and vectorise."""
    return cast(_Function, numba.njit(**_BLOCK_FLAGS)(function))


def contracted(function: _Function) -> _Function:
    """Compile with fused multiply-add, but nothing reordered."""
    return cast(_Function, numba.njit(**_FLAGS, fastmath={"contract"})(function))


def by_order(c_order: Callable[..., Any], f_order: Callable[..., Any]) -> Callable[..., Any]:
    """One block kernel out of two plain functions of (X, ...), chosen by X's memory order when compiling."""

    def kernel(X: Any, *rest: Any) -> Any:                      # runs only under NUMBA_DISABLE_JIT
        return (c_order if X.flags.c_contiguous else f_order)(X, *rest)

    def choose(X: Any, *rest: Any) -> Callable[..., Any]:       # given types in place of values
        return c_order if X.layout == "C" else f_order

    overload(kernel, strict=False, jit_options=_BLOCK_FLAGS)(choose)
    return kernel


class Entry:
    """A kernel that Python calls, compiled for each dtype and memory order of its first argument X on first use.

    Parameters
    ----------
    function : callable
        Takes X first.
    parallel : bool
        Whether its `prange` loops run in threads.

    Notes
    -----
    Each specialisation has a dispatcher and a cache directory of its own.  Numba numbers the specialisations of one
    dispatcher and writes their index before their code, so that two processes which share an index can be served each
    other's code; an index with a single entry can't be mixed up.
    """

    def __init__(self, function: Callable[..., Any], parallel: bool = False) -> None:
        self._function = function
        self._parallel = parallel
        self._compiled: dict[tuple[str, bool], Callable[..., Any]] = {}

    def __call__(self, X: np.ndarray, *rest: Any) -> Any:
        try:
            compiled = self._compiled[_kind(X)]
        except KeyError:
            compiled = self._compile(X, *rest)
        return compiled(X, *rest)

    def is_compiled(self, X: np.ndarray) -> bool:
        """Whether a call with this X starts at once."""
        return _kind(X) in self._compiled

    def _compile(self, *arguments: Any) -> Callable[..., Any]:
        if numba.config.DISABLE_JIT:
            return self._function
        with _startup.counted(), _lock:
            X = arguments[0]
            if self.is_compiled(X):             # by another thread, while this one waited
                return self._compiled[_kind(X)]
            types = tuple(map(numba.typeof, arguments))
            name = f"{X.dtype.name}-{'C' if X.flags.c_contiguous else 'F'}{'-parallel' if self._parallel else ''}"
            with _caching_in(name) as cached:
                dispatcher = self._dispatcher(cached)
            try:
                dispatcher.compile(types)
            except Exception as error:          # a damaged cache raises nearly anything: compile anew, without it
                if not cached:
                    raise
                dispatcher = self._dispatcher(cached=False)
                dispatcher.compile(types)
                warnings.warn(f"fastlr's compile cache in {cache_directory()} could not be used ({type(error).__name__}: "
                              f"{error}); compiled anew.  Delete the directory to mend it.", RuntimeWarning, stacklevel=2)
            self._compiled[_kind(X)] = dispatcher
            return dispatcher

    def _dispatcher(self, cached: bool) -> Any:
        # Array expressions stay serial: only prange, whose blocks are fixed, may be split.  Numba empties this dict.
        only_prange = {"prange": True, "numpy": False, "reduction": False, "setitem": False, "stencil": False, "fusion": False}
        return numba.njit(self._function, parallel=self._parallel and only_prange, cache=cached, no_cfunc_wrapper=True, **_FLAGS)


def _kind(X: np.ndarray) -> tuple[str, bool]:
    return X.dtype.char, X.flags.c_contiguous


_lock = _forks.starting


@contextlib.contextmanager
def _caching_in(name: str) -> Iterator[bool]:
    """While open, a dispatcher that is made with cache=True keeps its files in `cache_directory()/name`.

    Numba takes the directory from its configuration at decoration and has no parameter for it.  Yields whether there
    is a directory to cache in.
    """
    root = cache_directory()
    if root is None:
        yield False
        return
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(root / name)
    try:
        yield True
    finally:
        numba.config.CACHE_DIR = before


@functools.cache
def cache_directory() -> Path | None:
    """The directory of compiled kernels, or None where no private one can be made (then each process compiles anew).

    The first that works of $FASTLR_CACHE_DIR, $NUMBA_CACHE_DIR, $XDG_CACHE_HOME and ~/.cache.  It belongs to this user
    alone, since Numba unpickles what lies in it, and its name is stamped with everything that goes into the machine
    code, so that a changed helper or version is never served old code.
    """
    bases = [os.environ.get(name) for name in ("FASTLR_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")]
    for base in (*filter(None, bases), os.path.expanduser("~/.cache")):
        try:
            return _private(_private(Path(base, "fastlr")) / _stamp())
        except OSError:
            continue
    warnings.warn("fastlr found no private directory to keep compiled kernels in, so every process compiles them anew "
                  "(seconds); set FASTLR_CACHE_DIR to one", RuntimeWarning, stacklevel=2)
    return None


def _private(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise PermissionError(f"{directory} can be written by others")
    if not stat.S_ISDIR(status.st_mode) or not os.access(directory, os.W_OK):
        raise PermissionError(f"{directory} is no directory to write in")
    return directory


def _stamp() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    settings = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    digest.update(repr((sys.version, np.__version__, numba.__version__, llvmlite.__version__, sorted(settings.items()))).encode())
    return digest.hexdigest()[:20]


def describe() -> dict[str, str]:
    """What `show_versions` prints about compiled kernels."""
    directory = cache_directory()
    if directory is None:
        return {"compile cache": "none: no private directory can be written"}
    files = list(directory.glob("*/*/*.nbc"))
    size = sum(file.stat().st_size for file in files)
    return {"compile cache": str(directory), "compiled kernels": f"{len(files)} in {size / 1e6:.1f} MB"}
