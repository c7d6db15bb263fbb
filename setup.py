"""Building the package compiles its kernels ahead; everything else about it is said in pyproject.toml."""

import importlib.util
import shutil
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildKernels(build_py):
    """Compile the kernels into the source tree, where an editable install finds them too, before files are collected."""

    def run(self) -> None:
        if importlib.util.find_spec("numpy") is None:
            print("fastlr: no kernels are compiled ahead, since there is no NumPy here; they will be compiled on demand")
        else:
            sys.path.insert(0, str(ROOT))
            from tools import build_kernels

            build_kernels.main()
        super().run()


class WithLibraries(Distribution):
    """A package that belongs to one platform."""

    def has_ext_modules(self) -> bool:
        return True


class PlatformWheel(bdist_wheel):
    """A wheel for any Python and any Numba: its libraries know neither."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


def linker() -> list[str]:
    """What the build needs beside Numba: a linker, where the machine has none."""
    return [] if any(map(shutil.which, ("cc", "gcc", "clang"))) else ["ziglang"]


setup(distclass=WithLibraries, cmdclass={"build_py": BuildKernels, "bdist_wheel": PlatformWheel}, setup_requires=linker())
