"""Libraries of kernels that were compiled ahead, when this package was built or installed: `tools/build_kernels.py`.

They lie in a folder beside this one, one for each level of processors that they were built for:

    prebuilt/manifest                   the digest of the kernels' sources, and that of each library
    prebuilt/kernels-x86-64-v3.so       the kernels, each under its `header.symbol`

A library is used only where it is what the build has written, and was made of the sources that lie here.
"""

import ctypes
import functools
import hashlib
import importlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlr.backends.compiled.header import Code, Kind, symbol
from fastlr.machine.warnings import warn

FOLDER = Path(__file__).parents[1] / "prebuilt"
MANIFEST = FOLDER / "manifest"

SOURCES = ("compiled/ahead.py", "compiled/block_pass.py", "compiled/chunks.py", "compiled/columns.py", "compiled/descent.py",
           "compiled/driving.py", "compiled/header.py", "compiled/hessian.py", "compiled/jit.py", "compiled/moments.py",
           "compiled/on_demand.py", "compiled/penalized_model.py", "compiled/penalized_newton.py", "compiled/predictions.py",
           "compiled/products.py", "compiled/quasi_newton.py", "compiled/scalar.py", "compiled/softmax_pass.py",
           "compiled/vectors.py", "csr.py", "descent.py", "engine.py", "penalized_newton.py", "vectors.py")
"""The files that machine code is made from."""

LEVELS = {
    "x86-64-v4": ("AVX512F", "AVX512CD", "AVX512BW", "AVX512DQ", "AVX512VL"),
    "x86-64-v3": ("AVX2", "FMA3", "F16C", "BMI", "BMI2", "LZCNT", "MOVBE"),
}
"""The levels of x86-64, the highest first, and what a processor has at each by NumPy's names beside what the next has."""


def function(kernel: str, kind: Kind) -> Callable[..., Any] | None:
    """The compiled function of a kernel, see `passes.Functions`; None where no library that can be used has it."""
    library = _library()
    try:
        address = ctypes.cast(getattr(library, symbol(kernel, kind)), ctypes.c_void_p).value or 0
    except AttributeError:              # also where there is no library
        return None
    return Code(kernel, kind, address)


def has(kernel: str, kind: Kind) -> bool:
    """Whether there is a library that can be used, and has a kernel."""
    return hasattr(_library(), symbol(kernel, kind))


def is_there() -> bool:
    """Whether there is a library that can be used."""
    return _library() is not None


def sources() -> str:
    """A digest of the files that machine code is made from: after an edit there is no library that fits."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(name.encode() + Path(__file__).parents[1].joinpath(name).read_bytes())
    return digest.hexdigest()


def levels() -> list[str]:
    """The levels that this processor has, the highest first, as far as NumPy can tell."""
    features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return [platform.machine()]
    lowest_first = list(LEVELS)[::-1]
    count = next((i for i, level in enumerate(lowest_first) if not all(features.get(name, True) for name in LEVELS[level])),
                 len(lowest_first))
    return lowest_first[:count][::-1]


@functools.cache
def _library() -> ctypes.CDLL | None:
    library, problem = _loaded()
    if problem is not None:
        warn(RuntimeWarning(f"fastlr's prebuilt kernels in {FOLDER} can't be used, since {problem}; they are compiled on demand, "
                            "for seconds.  Install fastlr again, or set FASTLR_PREBUILT=0 to do without them"))
    return library


def _loaded() -> tuple[ctypes.CDLL | None, str | None]:
    """The library; or None, with the reason where there should be one."""
    if os.environ.get("FASTLR_PREBUILT") == "0" or is_inspected():
        return None, None
    try:
        digests = dict(line.split("  ")[::-1] for line in MANIFEST.read_text(encoding="ascii").splitlines())
        if digests.get("sources") != sources():
            return None, None               # of a developer who has edited a kernel
        file = next((file for level in levels() if (file := library_for(level)).name in digests), None)
        if file is None:
            return None, None
        if hashlib.sha256(file.read_bytes()).hexdigest() != digests[file.name]:
            return None, f"{file.name} is not as it was built"
        return ctypes.CDLL(str(file)), None
    except (OSError, ValueError) as error:
        return None, f"{type(error).__name__}: {error}" if MANIFEST.exists() else None


def library_for(level: str) -> Path:
    """The library for a level."""
    return FOLDER / f"kernels-{level}.so"


def is_inspected() -> bool:
    """Whether the user wants kernels in plain Python, or with every index checked."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in ("NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"))


def describe() -> str:
    """What `show_versions` prints about libraries."""
    library, problem = _loaded()
    if library is not None:
        kinds = [kind for dtype in ("float64", "float32", "uint8") for layout in ("C", "F", "csr32")
                 if hasattr(library, symbol("cost_gradient", kind := Kind(dtype, layout)))]
        return f"{library._name}, for X of {', '.join(map(str, kinds))}; all else is compiled on demand"
    if os.environ.get("FASTLR_PREBUILT") == "0":
        return "turned off by FASTLR_PREBUILT=0"
    if problem is not None:
        return problem
    return "none that fits" if MANIFEST.exists() else "none was built"
