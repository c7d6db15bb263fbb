"""The compile cache: machine code on disk that is used only where nothing about it is in doubt; else compile anew.

    <base>/fastlr/<stamp>/<kernel>-<dtype>-<order>/     written once, then never changed
        manifest                                        a checksum for each of
        backends_.../*.nbi, *.nbc                       Numba's index and code, one specialisation

The directories belong to this user alone, since Numba unpickles what lies in them.  The stamp is made of everything that
goes into machine code: an edit, an upgrade or another processor is never served old code.  A kernel is compiled into a
temporary directory, which is then renamed, so that other processes see all of it or nothing.  Numba works in temporary
directories alone: it loads from links to a kernel's files, since it writes wherever it loads (to see that it can, and what
doesn't fit).  For the same reason a dispatcher compiles nothing more once it is handed out: it would save into a directory
that is gone, or that other processes read.

What is loaded has the right checksums and has given the right answer to a known problem.  What is damaged is moved away and
compiled anew; where nothing can be kept, every process compiles.  Either costs a warning, one a process.

A directory for each specialisation, because Numba numbers the specialisations of an index and writes it before their code:
two processes that share one can be served each other's code.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np

from fastlr.backends.compiled.cache_place import base_directory, private
from fastlr.machine.warnings import warn

_MANIFEST = "manifest"
_TEMPORARY = "temporary-"
_STALE = 3600.0                 # seconds after which a temporary directory belongs to a process that was killed
# Those of Numba's settings that change the machine code it makes; the others color, print, or find files and threads.
_SETTINGS = ("BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO_DEFAULT", "DEBUG_ARRAY_OPT_RUNTIME", "DEBUG_JIT", "DEBUG_NRT",
             "ENABLE_AVX", "EXTEND_VARIABLE_LIFETIMES", "FULL_TRACEBACKS", "LLVM_REFPRUNE_FLAGS", "LLVM_REFPRUNE_PASS",
             "LOOP_VECTORIZE", "OPT", "PARFOR_MAX_TUPLE_SIZE", "SLP_VECTORIZE", "USING_SVML")


def load_or_compile(name: str, make: Callable[[bool], Any], types: tuple[Any, ...], is_right: Callable[[Any], bool]) -> Any:
    """A dispatcher that is compiled for `types`, for nothing else from then on, and has given the right answer.

    The name is that of the specialisation, and of its directory.  `make` makes a new dispatcher, given whether Numba is to cache
    it, and `is_right` runs a compiled one on a known problem.  RuntimeError says that code that was compiled just now gives a
    wrong answer.
    """
    root = cache_directory()
    while root is not None and (found := _identity(root / name)):
        try:
            return _load(root / name, make, types, is_right)
        except Exception as error:          # Numba and pickle raise nearly anything
            if _identity(root / name) != found:     # another process has replaced it since
                continue
            _discard(root / name)
            _warn_once(f"fastlr's compiled {name} in {root} could not be used ({type(error).__name__}: {error}); "
                       "it is compiled anew")
            break
    _announce(name)
    dispatcher = make(False) if root is None else _compile_and_keep(root / name, make, types)
    dispatcher.compile(types)               # does nothing where it is compiled already
    dispatcher.disable_compile()
    if not is_right(dispatcher):
        if root is not None:
            _discard(root / name)
        raise RuntimeError(f"the code that Numba {numba.__version__} makes of {name} on this machine gives a wrong answer to a "
                           "problem whose answer is known; use backend='numpy', and report what fastlr.show_versions() prints")
    return dispatcher


def has(name: str) -> bool:
    """Whether there is a specialisation, which may prove to be damaged."""
    root = cache_directory()
    return root is not None and _identity(root / name) is not None


def _identity(place: Path) -> tuple[int, int, int] | None:
    """What tells a kernel's directory from the one that replaces it; None where there is none."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _load(place: Path, make: Callable[[bool], Any], types: tuple[Any, ...], is_right: Callable[[Any], bool]) -> Any:
    with _temporary(place.parent) as temporary:
        own = temporary / place.name
        shutil.copytree(place, own, copy_function=_link)
        if (own / _MANIFEST).read_bytes() != _checksums(own):
            raise ValueError("its files are not as they were written")
        dispatcher = _cached_in(own, make)
        dispatcher.compile(types)
    dispatcher.disable_compile()
    if not dispatcher.stats.cache_hits:
        raise ValueError("Numba finds nothing in it that fits")
    if not is_right(dispatcher):
        raise ValueError("it gives a wrong answer to a known problem")
    return dispatcher


def _link(source: str, target: str) -> None:
    """Another name for a file, which takes no room on a full disk; a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _compile_and_keep(place: Path, make: Callable[[bool], Any], types: tuple[Any, ...]) -> Any:
    """A dispatcher; where its code can be kept it is compiled, and `place` is there."""
    dispatcher = None
    try:
        _remove_stale(place.parent)
        with _temporary(place.parent) as temporary:
            new = temporary / place.name
            dispatcher = _cached_in(new, make)
            dispatcher.compile(types)       # also saves
            (new / _MANIFEST).write_bytes(_checksums(new))
            if _sources() == _SOURCES:
                _publish(new, place)
    except Exception as error:
        if dispatcher is not None and not dispatcher.signatures:
            raise                           # compiling failed, not keeping
        _warn_once(f"fastlr could not keep compiled code in {place.parent} ({type(error).__name__}: {error}); "
                   "the next process compiles it anew")
    return make(False) if dispatcher is None else dispatcher


def _publish(new: Path, place: Path) -> None:
    try:
        os.rename(new, place)
    except OSError:
        if not place.exists():              # else another process was faster
            raise


def _cached_in(directory: Path, make: Callable[[bool], Any]) -> Any:
    """A dispatcher whose files are in `directory`.

    Numba takes the directory from its configuration at decoration, has no parameter for it, and goes elsewhere if it can't
    write there.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory)
    try:
        dispatcher = make(True)
    finally:
        numba.config.CACHE_DIR = before
    if not Path(dispatcher.stats.cache_path).is_relative_to(directory):
        raise PermissionError(f"{directory} can't be written")
    return dispatcher


def _checksums(directory: Path) -> bytes:
    """A line for each of Numba's files, as sha256sum prints it."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(directory).as_posix()}\n"
             for file in sorted(directory.glob("*/*.nb[ci]")) if file.is_file()]
    return "".join(lines).encode()


def _discard(place: Path) -> None:
    """Move away what is there, all at once, and delete it."""
    with contextlib.suppress(OSError), _temporary(place.parent) as temporary:
        os.rename(place, temporary / place.name)


@contextlib.contextmanager
def _temporary(root: Path) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=root))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_stale(root: Path) -> None:
    for directory in root.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - directory.lstat().st_mtime > _STALE:
                shutil.rmtree(directory)


_has_announced = False


def _announce(name: str) -> None:
    """Say once why it takes so long: in the log, and to whoever sits at a terminal."""
    global _has_announced
    if not _has_announced:
        _has_announced = True
        message = f"fastlr compiles kernels for this kind of X ({name}), which takes some seconds, once"
        logging.getLogger("fastlr").info(message)
        if sys.stderr is not None and sys.stderr.isatty():
            print(message, file=sys.stderr)


_has_warned = False


def _warn_once(message: str) -> None:
    global _has_warned
    if not _has_warned:
        _has_warned = True
        warn(RuntimeWarning(message))


# ---- where ----------------------------------------------------------------------------------------------------------

def cache_directory() -> Path | None:
    """The directory of compiled kernels, or None where no private one can be made."""
    base = base_directory()
    if base is not None:
        with contextlib.suppress(OSError):
            return private(base / _stamp())
    _warn_once("fastlr found no private directory to keep compiled kernels in, so every process compiles them anew "
               "(seconds); set FASTLR_CACHE_DIR to one")
    return None


def _sources() -> str:
    """A digest of all files of `fastlr.backends`; their paths and times too, which Numba may look at."""
    digest = hashlib.sha256()
    for source in sorted(Path(sys.modules["fastlr.backends"].__path__[0]).rglob("*.py")):
        digest.update(f"{source} {source.stat().st_mtime_ns}\n".encode() + source.read_bytes())
    return digest.hexdigest()


_SOURCES = _sources()           # on import: kernels compiled after an upgrade of the files are still the old ones


def _stamp() -> str:
    """A digest of everything that goes into machine code."""
    versions = sys.version, np.__version__, numba.__version__, llvmlite.__version__
    processor = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    settings = [getattr(numba.config, name, None) for name in _SETTINGS]        # None in a Numba that doesn't have it
    return hashlib.sha256(repr((_SOURCES, versions, processor, settings)).encode()).hexdigest()[:20]


def describe() -> dict[str, str]:
    """What `show_versions` prints about compiled kernels."""
    root = cache_directory()
    if root is None:
        return {"compile cache": "none: no private directory can be written"}
    sizes = list(_sizes(root))
    return {"compile cache": str(root), "compiled kernels": f"{len(sizes)} in {sum(sizes) / 1e6:.1f} MB"}


def _sizes(root: Path) -> Iterator[int]:
    """Bytes of each compiled kernel; what another process removes meanwhile doesn't count."""
    for directory, subdirectories, files in os.walk(root):      # passes over a directory that is gone
        subdirectories[:] = [name for name in subdirectories if not name.startswith(_TEMPORARY)]
        for name in files:
            if name.endswith(".nbc"):
                with contextlib.suppress(FileNotFoundError):
                    yield os.stat(os.path.join(directory, name)).st_size
