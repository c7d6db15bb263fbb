"""warmup and show_versions: what is here, and getting it ready."""

import time

import numpy as np

from fastlr import _check, _check_options, backends
from fastlr._train import train


def warmup(backend: str = "auto", dtypes: tuple[str, ...] = ("float64", "float32")) -> float:
    """Compile ahead (or load from the compile cache) everything that `train` needs, for both memory orders.

    Parameters
    ----------
    backend : str
        As for `train`; "auto" is "fused".
    dtypes : tuple of str
        Of X: float64, float32, uint8 (bool is the same), int8, int16.

    Returns
    -------
    float
        Seconds it took.

    Examples
    --------
    >>> import fastlr
    >>> fastlr.warmup("numpy") < 1.0
    True
    """
    start = time.perf_counter()
    name = "fused" if backend == "auto" else backend
    backends.load(name)
    dtypes = tuple(_check_options.one_of("dtypes", np.dtype(dtype).name, _check.KERNEL_DTYPES) for dtype in dtypes)
    rng = np.random.default_rng(0)
    y = np.arange(4096) % 2
    for dtype in dtypes:
        for order in ("C", "F"):
            for n in (4, 32):               # a small problem, and one of many threads and steps
                X = np.asarray(rng.integers(0, 2, (4096, n)), dtype=dtype, order=order)
                for n_threads in (None, 1):
                    train(X, y, backend=name, solver="newton", max_iter=1, tol=0.0, n_threads=n_threads)
    return time.perf_counter() - start


def show_versions() -> None:
    """Print versions, threads, threading layer, and where compiled kernels are kept: what a bug report needs.

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
    """What `show_versions` prints, by name."""
    import platform

    lines = {"fastlr": _version("fastlr"), "Python": platform.python_version(), "system": platform.platform()}
    lines |= {name: _version(name) for name in ("numpy", "numba", "llvmlite", "scikit-learn", "tbb", "pyarrow")}
    lines["processor"] = platform.processor() or platform.machine()
    for name, reason in backends.available_backends().items():
        lines[f"backend {name}"] = reason or "ready"
    try:
        from fastlr.backends import _cache, _threads
    except ImportError as error:
        lines["numba, imported"] = f"{type(error).__name__}: {error}"
    else:
        lines |= _threads.describe() | _cache.describe()
    return lines


def _version(package: str) -> str:
    import importlib.metadata  # slow to import, and needed here alone

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
