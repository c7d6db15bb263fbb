"""python -m fastlr."""

import sys

from fastlr._cli import main

sys.exit(main())
