"""Tables in files, read and written a batch of rows at a time with pyarrow.

CSV, compressed where the suffix says so (.gz, .bz2, .zst, .lz4), and by their suffixes Parquet, Feather and .npy, which is
read only.  "-" is standard input or output, as CSV.
"""

from fastlr.data.tables.columns import Named, numbers, require, side_by_side
from fastlr.data.tables.csv_files import Dialect
from fastlr.data.tables.files import format_of, reading, refuse_other_format, writing
from fastlr.data.tables.labels import Labels, array_of
from fastlr.data.tables.table import NO_ROW, Table, naming

__all__ = ["NO_ROW", "Dialect", "Labels", "Named", "Table", "array_of", "format_of", "naming", "numbers", "reading",
           "refuse_other_format", "require", "side_by_side", "writing"]
