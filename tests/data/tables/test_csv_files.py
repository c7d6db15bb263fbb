"""CSV as pyarrow's thread reads it."""

import io
import time

import pytest

from fastlr.data.tables import Dialect, csv_files


class SlowFile(io.BytesIO):
    is_being_read = False

    def read(self, size=-1):
        self.is_being_read = True
        time.sleep(0.05)
        found = super().read(size)
        self.is_being_read = False
        return found


def test_nobody_reads_on_after_an_error():
    """Python aborts if it exits while pyarrow's thread reads."""
    file = SlowFile(b"a,b\none,2\n" + b"1,2\n" * 1_000_000)
    with pytest.raises(ValueError, match=r"column 'a', row 1: 'one' is not a number"):
        next(csv_files.table(file, Dialect()).batches(["a", "b"], [], []))
    assert not file.is_being_read
