"""The choice of a source for a path, a memory map, a dataset or an iterable."""

import os
from typing import Any

import numpy as np

from fastlr.data.stream.files import FileSource
from fastlr.data.stream.iterables import GivenSource
from fastlr.data.stream.source import ArraySource, Source
from fastlr.data.stream.tables import TableSource


def source_of(source: Any) -> Source:
    """Make the source that fits what the caller passed."""
    if isinstance(source, (str, bytes, os.PathLike)):
        path = os.fsdecode(source)
        if path.lower().endswith(".npy"):
            return FileSource.of_npy(path)
        return TableSource.of_path(path)
    if isinstance(source, np.memmap):
        return FileSource.of_memmap(source)
    if isinstance(source, np.ndarray):
        return ArraySource(source)
    if type(source).__module__.partition(".")[0] == "pyarrow" and hasattr(source, "get_fragments"):
        return TableSource(source, "the dataset")
    if hasattr(source, "__array__") or hasattr(source, "toarray"):
        raise TypeError(f"source is a {type(source).__name__}, which lies in memory already; pass it to train as it is")
    return GivenSource(source)
