"""How long does a fresh interpreter take until fastlr is imported, and until the first model is there?"""

import subprocess
import sys

from . import fastlr_with, without_cache

_FIT = """
import numpy as np
import fastlr
X = np.sin(np.arange(40000.0)).reshape(2000, 20)
fastlr.train(X, np.arange(2000) % 2, backend={backend!r}, learning_rate=1e-3, max_iter=10)
"""


class Import:
    """Importing, with NumPy alone beside it: fastlr should add next to nothing."""

    version = "1"
    rounds, number, warmup_time = 1, 1, 0.0
    repeat = (3, 5, 2.0)

    def timeraw_import_fastlr(self):
        return "import fastlr"

    def timeraw_import_numpy(self):
        return "import numpy"

    timeraw_import_fastlr.pretty_name = "Time of import fastlr"
    timeraw_import_numpy.pretty_name = "Time of import numpy, for comparison"


class FirstFit:
    """From a bare interpreter to a first small model, imports included, compiled code at hand."""

    version = "1"
    rounds, number, warmup_time = 1, 1, 0.0
    repeat = (3, 5, 2.0)
    param_names = ("backend",)
    params = ("numpy", "fused")

    def setup(self, backend):
        fastlr_with(backend)
        subprocess.run([sys.executable, "-c", _FIT.format(backend=backend)], check=True)

    def timeraw_first_fit(self, backend):
        return _FIT.format(backend=backend)

    timeraw_first_fit.pretty_name = "First model of a process, code compiled"


class FirstFitEver:
    """The same on a machine that has no compiled code yet."""

    version = "1"
    rounds, number, warmup_time = 1, 1, 0.0
    repeat = 2
    param_names = ("backend",)
    params = ("fused",)

    def setup(self, backend):
        fastlr_with(backend)

    def timeraw_first_fit_ever(self, backend):
        return without_cache(_FIT.format(backend=backend))

    timeraw_first_fit_ever.pretty_name = "First model ever, nothing compiled"
