"""The name that pip knows this project by, and what messages say about installing."""

import glob
import os
import sys
import warnings
from types import ModuleType

from fastlr.machine.forks import imported

NAME = "fastlr-numba"
"""The distribution; on PyPI "fastlr" is a different project, whose module has the same name."""

VERSION = "0.1.0"


def how_to_install(package: str) -> str:
    """End a message about a missing package: how to install it."""
    return f"install it with: pip install {package}"


def needed(module: str, package: str, by: str) -> ModuleType:
    """Import a module of a package that is an extra.

    Raises
    ------
    ImportError
        The module can't be imported; the text names what needs it, and says how to install the package.
    """
    try:
        return imported(module)
    except ImportError as error:
        raise ImportError(f"{by} needs {package}, which can't be imported ({error}); {how_to_install(package)}") from error


def warn_of_another() -> None:
    """Warn if a distribution "fastlr" is installed too, since the later of the two has overwritten files of the other.

    That distribution is a different project, or an old version of this one.
    """
    here = os.path.dirname(os.path.dirname(__file__))
    for folder in sys.path:
        if os.path.isdir(os.path.join(folder, "fastlr")):
            for name in glob.glob("fastlr-*.dist-info", root_dir=folder):
                warnings.warn(f"two distributions have the module fastlr: {NAME}, imported from {here}, and "
                              f"fastlr, a different project or an old version of this one, in {os.path.join(folder, name)}; "
                              f"as they overwrite each other's files, run: pip uninstall fastlr; then install {NAME} again, in "
                              "a clone of it: pip install --force-reinstall --no-deps .", RuntimeWarning, stacklevel=3)
                return
