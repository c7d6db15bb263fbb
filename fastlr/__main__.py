"""python -m fastlr."""

import sys

from fastlr.cli.main import main

sys.exit(main())
