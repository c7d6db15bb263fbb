"""warmup and show_versions: compile ahead, and report what is installed."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlr import backends
from fastlr._train import train
from fastlr.backends.compiled import prebuilt, threads
from fastlr.data import arguments, arrays
from fastlr.machine import distribution, forks
from fastlr.machine.warnings import held_back

# Rows of the problems that are trained on to compile for them: enough for kernels with many threads.
_ROWS = 4096
_SPARSE = ("sparse float64", "sparse float32")


def warmup(backend: str = "auto", dtypes: tuple[str, ...] = ("float64", "float32")) -> float:
    """Compile ahead, or load from the compile cache, all that training and predicting need, for both memory orders.

    Parameters
    ----------
    backend : str
        The backend to compile; "auto" is "fused".  "numpy" and "python" have nothing to compile.
    dtypes : tuple of str
        The dtypes of X to compile for: float64, float32, uint8 (which serves bool too), int8 and int16.  "sparse float64" and
        "sparse float32" are those of SciPy's matrices, with indices of 32 bits as SciPy makes them.

    Returns
    -------
    float
        The seconds that it took.

    Examples
    --------
    >>> import fastlr
    >>> seconds = fastlr.warmup("numpy")
    """
    start = time.perf_counter()
    name = "fused" if backend == "auto" else backend
    kernel = backends.load(name)
    kinds = tuple(arguments.one_of("dtypes", _name(dtype), (*arrays.KERNEL_DTYPES, *_SPARSE)) for dtype in dtypes)
    two, three = np.arange(_ROWS) % 2, np.arange(_ROWS) % 3
    for kind in kinds if backends.is_compiled(name) else ():
        for X in _examples_of(kind):
            with held_back():                               # which one update can't avoid
                for n_threads in (None, 1):
                    model = train(X, two, backend=name, solver="newton", max_iter=1, tol=0.0, n_threads=n_threads)
                    for y in (two, three):
                        train(X, y, backend=name, learning_rate=1.0, max_iter=1, n_threads=n_threads)
                train(X, two, backend=name, l1=1e-3, max_iter=1)
            if hasattr(kernel, "predict"):
                A, _ = arrays.matrix(X)
                offset = arrays.real_vector("offset", None, _ROWS)
                kernel.predict(A, offset, np.append(model.w, model.b), as_probabilities=True)
    return time.perf_counter() - start


def _name(dtype: Any) -> Any:
    return dtype if dtype in _SPARSE else np.dtype(dtype).name


def _examples_of(kind: str) -> Iterator[Any]:
    """Make an X for one compiled call and one for many threads, in each memory order; and a sparse X too wide for a Hessian."""
    rng = np.random.default_rng(0)
    if kind in _SPARSE:
        scipy_sparse = forks.imported("scipy.sparse")
        for n in (4, 128, 3200):
            stored_a_row = min(n, 128)
            apart = n // stored_a_row
            i, k = np.arange(_ROWS + 1, dtype=np.int32), np.arange(stored_a_row, dtype=np.int32)
            indices = (i[:-1, None] % apart + apart * k).ravel()
            parts = rng.random(indices.size), indices, stored_a_row * i
            yield scipy_sparse.csr_array(parts, shape=(_ROWS, n), dtype=kind.removeprefix("sparse "))
        return
    for order in ("C", "F"):
        for n in (4, 128):
            yield np.asarray(rng.integers(0, 2, (_ROWS, n)), dtype=kind, order=order)


def show_versions() -> None:
    """Print what a bug report needs: versions, threads, the threading layer, and where compiled kernels are kept.

    Examples
    --------
    >>> import fastlr
    >>> fastlr.show_versions()          # doctest: +ELLIPSIS
    fastlr ...
    """
    lines = versions()
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:{width}}  {value}")


def versions() -> dict[str, str]:
    """Collect by name what `show_versions` prints."""
    import platform

    lines = {"fastlr": distribution.VERSION, "Python": platform.python_version(), "system": platform.platform()}
    lines |= {name: _version(name) for name in ("numpy", "numba", "llvmlite", "scikit-learn", "tbb", "pyarrow")}
    lines["processor"] = platform.processor() or platform.machine()
    for name, reason in backends.available_backends().items():
        lines[f"backend {name}"] = reason or "ready"
    lines |= threads.describe() | {"prebuilt kernels": prebuilt.describe()}
    try:
        from fastlr.backends.compiled import cache, threading_layer
    except ImportError as error:
        lines["numba, imported"] = f"{type(error).__name__}: {error}"
    else:
        lines |= threading_layer.describe() | cache.describe()
    return lines


def _version(package: str) -> str:
    import importlib.metadata  # slow to import, and needed here alone

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
