"""Compile the kernels to shared libraries in fastlr/backends/prebuilt: python tools/build_kernels.py.

The build of the package does that too (`setup.py`).  The kinds of X are dealt to as many processes as there are processors.  What
was compiled from the same sources by the same Numba is not compiled again.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fastlr.backends.compiled import prebuilt  # noqa: E402

KINDS = ("float64_C", "float64_csr32", "any", "float64_F", "float32_C", "float32_csr32", "float32_F", "uint8_C")
"""What libraries have kernels for, those that take longest to compile first."""


class CannotBuild(Exception):
    """Why there are no libraries."""


def main() -> None:
    """Build, or say why not: without libraries the package works too, and compiles on demand."""
    start = time.perf_counter()
    try:
        libraries = build(prebuilt.FOLDER, _cache())
    except CannotBuild as error:
        print(f"fastlr: no kernels are compiled ahead, since {error}; they will be compiled on demand", flush=True)
        return
    size = sum(file.stat().st_size for file in libraries)
    print(f"fastlr: kernels compiled ahead in {time.perf_counter() - start:.0f} s: {', '.join(file.name for file in libraries)}, "
          f"{size / 1e3:.0f} kB", flush=True)


def build(folder: Path, cache: Path) -> list[Path]:
    """Write a library for each level, and the manifest, into a folder; objects are kept in a cache.

    Raises
    ------
    CannotBuild
        Something is missing that it takes, or failed.
    """
    if importlib.util.find_spec("numba") is None:
        raise CannotBuild("there is no Numba here")
    linker = _linker()
    levels = _levels()
    cache.mkdir(parents=True, exist_ok=True)
    objects = {(level, kind): _place(level, kind, cache) for level in levels for kind in KINDS}
    missing = {level: [kind for kind in KINDS if not objects[level, kind].exists()] for level in levels}
    processes = _processors()
    shares = [(level, kinds[i::processes]) for level, kinds in missing.items() for i in range(min(processes, len(kinds)))]
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(lambda share: _compile(*share, cache), shares))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    lines, libraries = [f"{prebuilt.sources()}  sources"], []
    for level in levels:
        library = folder / prebuilt.library_for(level).name
        linked = subprocess.run([*linker, "-shared", "-o", str(library), *(str(objects[level, kind]) for kind in KINDS), "-lm"],
                                capture_output=True, text=True, check=False)
        if linked.returncode:
            shutil.rmtree(folder)
            raise CannotBuild(f"{' '.join(linker)} failed ({linked.stderr.strip()[-500:]})")
        lines.append(f"{hashlib.sha256(library.read_bytes()).hexdigest()}  {library.name}")
        libraries.append(library)
    (folder / prebuilt.MANIFEST.name).write_text("\n".join(lines) + "\n", encoding="ascii")
    return libraries


def _levels() -> list[str]:
    """What to compile for: FASTLR_LEVELS, separated by commas, or x86-64-v3 and what this machine has beside it.

    A wheel for others is built with FASTLR_LEVELS=x86-64-v3,x86-64-v4, which takes twice as long.
    """
    if "FASTLR_LEVELS" in os.environ:
        return os.environ["FASTLR_LEVELS"].split(",")
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return sorted({"x86-64-v3", *prebuilt.levels()}) if is_x86 else [platform.machine()]


def _place(level: str, kind: str, cache: Path) -> Path:
    """Where an object file of these sources is, or will be."""
    versions = [importlib.metadata.version(name) for name in ("numba", "llvmlite")]
    digest = hashlib.sha256(repr((prebuilt.sources(), versions, platform.machine(), sys.platform)).encode()).hexdigest()[:16]
    return cache / f"{level}-{kind}-{digest}.o"


_AHEAD = "import gc; gc.disable(); from fastlr.backends.compiled import ahead; ahead.main()"
"""Numba keeps all that it makes: to look through that for garbage again and again takes a fourteenth of the time."""


def _compile(level: str, kinds: list[str], cache: Path) -> None:
    """Write the object files of some kinds, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=cache) as work:
        processor = level if level in prebuilt.LEVELS else "host"
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))     # where pip's build puts Numba
        done = subprocess.run([sys.executable, "-c", _AHEAD, processor, work, *kinds], cwd=ROOT,
                              env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise CannotBuild(f"Numba could not compile {', '.join(kinds)} for {level} ({done.stderr.strip()[-500:]})")
        for kind in kinds:
            os.replace(Path(work, f"{kind}.o"), _place(level, kind, cache))


def _cache() -> Path:
    """Where objects are kept from one build to the next: in a directory that belongs to this user alone."""
    from fastlr.backends.compiled import cache

    private = cache.base_directory()
    return Path(tempfile.mkdtemp()) if private is None else private / "objects"


def _linker() -> list[str]:
    """A C compiler that links: $CC, cc, gcc or clang, or PyPI's ziglang."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name.split()[0]):
            return name.split()
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CannotBuild("there is no C compiler to link with (cc, gcc, clang, or PyPI's ziglang)")


def _processors() -> int:
    from fastlr.machine.limits import processors

    return processors()


if __name__ == "__main__":
    main()
