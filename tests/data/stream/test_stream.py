"""X that is read in blocks: every kind of source gives what the array in memory is, within its memory, or one clear error."""

import decimal
import errno
import itertools
import os
import re
import signal
import threading
import time
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
import scipy.sparse

import fastlr
from fastlr.backends import ranges
from fastlr.data import arrays
from fastlr.data.stream import blocks as stream_blocks
from fastlr.data.stream import buffers as block_buffers
from fastlr.data.stream import files as stream_files
from fastlr.data.stream import read_ahead
from tests.processes import run

M, N = 5000, 3
RNG = np.random.default_rng(0)
X = RNG.standard_normal((M, N))
Y = np.arange(M) // 7 % 2
WEIGHT = RNG.random(M)
NAMES = ("a", "b", "c")
LARGE = 10 ** 8                 # memory for all blocks
SMALL = 100_000                 # for ten, of which four are kept


def scanned(source, memory=LARGE, y=Y, sample_weight=None, offset=None):
    stream = fastlr.stream(source, memory=memory)
    stream.scan(y, sample_weight, offset)
    return stream


def copied(stream):
    """The blocks of a pass, which must follow each other."""
    blocks = []
    for (first, block), rows in zip(stream.blocks(), stream.ranges, strict=True):
        assert (first, first + len(block)) == (rows.start, rows.stop)
        assert block.flags.c_contiguous or block.flags.f_contiguous
        assert not block.flags.writeable
        assert block.dtype == stream.form.dtype
        blocks.append(block.copy(order="K"))
    return blocks


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "fastlr reads ahead"]


def table(X=X, **more):
    return pa.table(dict(zip(NAMES, X.T, strict=False)) | more)


def saved(folder, A=X, name="X.npy"):
    np.save(folder / name, A)
    return folder / name


def written(folder, columns, **options):
    pa.parquet.write_table(pa.table(columns), folder / "X.parquet", **options)
    return folder / "X.parquet"


# ---- the same blocks ------------------------------------------------------------------------------------------------

def npy(folder):
    return str(saved(folder))


def npy_fortran(folder):
    return saved(folder, np.asfortranarray(X))


def raw_memmap(folder):
    (folder / "raw").write_bytes(b"12345" + X.tobytes())
    return np.memmap(folder / "raw", np.float64, "r", offset=5, shape=X.shape)


def memmap_rows(folder):
    return np.load(saved(folder, np.vstack([X[:700], X, X[:9]])), mmap_mode="r")[700:700 + M]


def memmap_rows_fortran(folder):
    return np.load(saved(folder, np.asfortranarray(np.vstack([X[:700], X, X[:9]]))), mmap_mode="r+")[700:700 + M]


def memmap_transposed(folder):
    return np.load(saved(folder, np.ascontiguousarray(X.T)), mmap_mode="r").T


def array_in_memory(folder):
    return X


def array_strided(folder):
    return np.repeat(X, 2, axis=1)[:, ::2]


def parquet(folder):
    pa.parquet.write_table(table(), folder / "X.parquet", row_group_size=700)
    return folder / "X.parquet"


def feather(folder):
    pa.feather.write_feather(table(), str(folder / "X.feather"), chunksize=333)
    return folder / "X.feather"


def folder_of_tables(folder):
    for first in (3400, 0, 1700):               # read in the order of their names
        pa.parquet.write_table(table().slice(first, 1700), folder / f"{first:04}.parquet", row_group_size=600)
    (folder / "_SUCCESS").touch()
    (folder / "notes.txt").touch()
    return folder


def dataset_in_memory(folder):
    return pa.dataset.dataset(table())


def dataset_in_folders(folder):
    pa.parquet.write_to_dataset(table(X[:, :2], c=np.repeat([1.5, 2.5], M // 2)), folder, partition_cols=["c"])
    return pa.dataset.dataset(folder, partitioning=pa.dataset.partitioning(pa.schema([("c", pa.float64())]), flavor="hive"))


def list_of_blocks(folder):
    return np.split(X, [600, 1500, 2700, 3800])


def function_of_blocks(folder):
    """Which uses the memory of a block for the next."""
    def blocks():
        memory = np.empty((1250, N))
        for first in range(0, M, 1250):
            memory[:] = X[first:first + 1250]
            yield memory

    blocks.own_bytes = 1250 * N * 8
    return blocks


def frames(folder):
    return [pd.DataFrame(part, columns=NAMES) for part in np.split(X, 5)]


TABLES = (parquet, feather, folder_of_tables, dataset_in_memory, dataset_in_folders)
FILES = (npy, npy_fortran, raw_memmap, memmap_rows, memmap_rows_fortran, memmap_transposed)
SOURCES = (*FILES, array_in_memory, array_strided, *TABLES, list_of_blocks, function_of_blocks, frames)
FORTRAN = (npy_fortran, memmap_rows_fortran, memmap_transposed, *TABLES)


@pytest.mark.parametrize("memory", [SMALL, LARGE])
@pytest.mark.parametrize("source", SOURCES, ids=lambda make: make.__name__)
def test_every_source_gives_the_array(tmp_path, source, memory):
    expected = X
    if source is dataset_in_folders:
        expected = np.column_stack([X[:, :2], np.repeat([1.5, 2.5], M // 2)])
    stream = scanned(source(tmp_path), memory)
    assert (stream.shape, stream.form.dtype, stream.form.size, stream.form.nbytes) == ((M, N), np.float64, M * N, 8 * M * N)
    assert stream.names == (NAMES if source in (*TABLES, frames) else None)
    assert (len(stream.ranges) > 1) == (memory == SMALL or source in (list_of_blocks, function_of_blocks, frames))
    for _ in range(2):
        blocks = copied(stream)
        np.testing.assert_array_equal(np.concatenate(blocks), expected)
        if source is not frames:
            assert all(block.flags.f_contiguous == (source in FORTRAN) for block in blocks)
    assert not readers()


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f4", ">f8", "u1", "i1", "i2", "u2", "<i4", ">i8", "?", "g"])
@pytest.mark.parametrize("order", "CF")
def test_dtypes_are_those_of_the_array(tmp_path, dtype, order, monkeypatch):
    monkeypatch.setattr(stream_files, "BYTES_TO_CONVERT", 1000)
    A = np.asarray(X * 10, dtype=dtype, order=order)
    expected, _ = arrays.matrix(A)
    for source in (saved(tmp_path, A), A):
        stream = scanned(source, 60_000)
        assert stream.form.dtype == expected.dtype
        np.testing.assert_array_equal(np.concatenate(copied(stream)), expected)


@pytest.mark.parametrize(("dtypes", "expected"), [
    ("f8 f4 u1", "f8"), ("f4 f2 u1", "f4"), ("f4 i4 u1", "f8"), ("u1 ? u1", "u1"), ("i1 i1 i1", "i1"), ("i2 i2 i2", "i2"),
    ("u1 i1 i2", "f4"), ("u2 u2 u2", "f4"), ("i8 i8 i8", "f8")])
def test_dtypes_of_tables(tmp_path, dtypes, expected):
    columns = {name: (X[:, 0] * 10).astype(dtype) for name, dtype in zip(NAMES, dtypes.split(), strict=True)}
    pa.parquet.write_table(pa.table(columns), tmp_path / "X.parquet")
    stream = scanned(tmp_path / "X.parquet")
    assert stream.form.dtype == expected
    np.testing.assert_array_equal(np.concatenate(copied(stream)), np.column_stack([*columns.values()]))


def test_categories_of_numbers(tmp_path):
    path = written(tmp_path, {"a": pa.array([3, 1, 3, 2]).dictionary_encode()})
    np.testing.assert_array_equal(np.concatenate(copied(scanned(path, y=Y[:4])))[:, 0], [3, 1, 3, 2])


def test_decimals(tmp_path):
    values = [decimal.Decimal(i) / 4 for i in range(9)]
    pa.parquet.write_table(pa.table({"a": values}), tmp_path / "X.parquet")
    block, = copied(scanned(tmp_path / "X.parquet", y=Y[:9]))
    np.testing.assert_array_equal(block[:, 0], np.arange(9) / 4)


# ---- y, weights and offsets -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("memory", [SMALL, LARGE])
def test_columns_are_found_by_name_and_are_no_features(tmp_path, memory):
    text = np.where(Y, "yes", "no")
    pa.parquet.write_table(table(delayed=text, weight=WEIGHT, past=-WEIGHT.astype("f4")), tmp_path / "X.parquet", 700)
    stream = fastlr.stream(tmp_path / "X.parquet", memory=memory)
    for _ in range(2):
        y, sample_weight, offset = stream.scan("delayed", "weight", "past")
        np.testing.assert_array_equal(y, text)
        np.testing.assert_array_equal(sample_weight, WEIGHT)
        np.testing.assert_array_equal(offset, -WEIGHT.astype("f4"))
        assert stream.names == NAMES
    y, sample_weight, offset = stream.scan("delayed", WEIGHT, None)
    assert sample_weight is WEIGHT and offset is None
    assert stream.names == (*NAMES, "weight", "past")
    np.testing.assert_array_equal(np.concatenate(copied(stream))[:, 3], WEIGHT)


def test_one_column_may_be_weight_and_offset():
    stream = fastlr.stream(pa.dataset.dataset(table(weight=WEIGHT)), memory=LARGE)
    _, sample_weight, offset = stream.scan(Y, "weight", "weight")
    np.testing.assert_array_equal(sample_weight, WEIGHT)
    np.testing.assert_array_equal(offset, WEIGHT)


@pytest.mark.parametrize("labels", [Y, Y.astype(bool), np.where(Y, "yes", "no"), Y.astype(float)])
def test_blocks_bring_their_y(labels):
    y = np.empty(1000, labels.dtype)

    def blocks():
        for first in range(0, M, 1000):
            y[:] = labels[first:first + 1000]
            yield X[first:first + 1000], y

    stream = fastlr.stream(blocks, memory=LARGE)
    for _ in range(2):
        found, sample_weight, offset = stream.scan(None, WEIGHT, None)
        np.testing.assert_array_equal(found, labels)
        assert found.dtype == labels.dtype
        assert sample_weight is WEIGHT and offset is None


def test_what_numpy_would_change_or_forget_is_refused():
    mixed = fastlr.stream(lambda: [(X[:4], ["a", 1, "a", 1]), (X[4:8], ["a", 1, "a", 1])])
    with pytest.raises(ValueError, match=r"^y mixes labels that can't be sorted"):
        fastlr.train(mixed, None)
    with pytest.raises(ValueError, match=r"^X has masked values; the first is at row 3, column 1"):
        fastlr.stream(np.ma.array(X, mask=np.arange(M * N).reshape(M, N) == 3 * N + 1))
    model = fastlr.train(X[:100], Y[:100], offset=WEIGHT[:100], backend="numpy", max_iter=1, tol=0.0)
    with pytest.raises(ValueError, match=r"^offset has masked values; the first is at row 5"):
        model.predict(fastlr.stream(X), np.ma.array(WEIGHT, mask=np.arange(M) == 5))


# ---- memory ---------------------------------------------------------------------------------------------------------

def test_blocks_are_the_pieces_of_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "BYTES_A_CALL", 50_000)
    for A in (X, np.asfortranarray(X)):
        stream = scanned(saved(tmp_path, A), 140_000)           # room for two, and for samples
        assert len(stream.ranges) == 3
        assert [(rows.start, rows.stop) for rows in stream.ranges] == ranges.pieces(A)


@pytest.mark.parametrize("memory", [33_000, 65_000, 120_000, 1_000_000])
def test_blocks_are_shorter_where_there_is_less_memory(tmp_path, memory):
    A = np.zeros((40_000, N))
    rows = [rows.stop - rows.start for rows in scanned(saved(tmp_path, A), memory).ranges]
    assert len(set(rows[:-1])) == 1
    assert rows[0] == 512 or rows[0] % 1024 == 0
    assert rows[0] == 512 or rows[0] * N * 8 * 8 <= memory


@pytest.mark.parametrize("memory", [33_000, 65_000, 120_000, 500_000, 2_000_000])
@pytest.mark.parametrize("source", [npy, npy_fortran, array_in_memory, function_of_blocks, list_of_blocks],
                         ids=lambda make: make.__name__)
def test_memory_is_bounded(tmp_path, source, memory):
    source = source(tmp_path)
    stream = fastlr.stream(source, memory=memory)
    tracemalloc.start()
    try:
        stream.scan(Y, None, None)
        for _ in stream.blocks():
            pass
        peak = tracemalloc.get_traced_memory()[1]
    except ValueError as error:
        assert ("shorter blocks" in str(error) and callable(source)) or isinstance(source, list)
        return
    finally:
        tracemalloc.stop()
    own_bytes = getattr(source, "own_bytes", 0)
    assert peak <= memory - stream.sample_bytes + own_bytes + 40_192    # for Python's own, and for two blocks to begin at a page


def test_files_are_copied_to_the_start_of_a_page(tmp_path):
    """AMD's processors copy seven times as slowly to 16 bytes behind it, from the start of another."""
    stream = scanned(raw_memmap(tmp_path), SMALL)
    places = [block.ctypes.data % 4096 for number, (_, block) in enumerate(stream.blocks()) if number not in stream._kept.blocks]
    assert places == [0] * 6


def test_kept_blocks_are_read_once(tmp_path, monkeypatch):
    read = []
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, buffers, at: read.append(at) or preadv(file, buffers, at))
    for memory, kept in ((60_000, 1), (100_000, 4), (LARGE, 1)):
        stream = scanned(saved(tmp_path), memory)
        assert len(read) == len(stream.ranges)
        assert len(stream._kept.blocks) == kept
        for _ in range(2):
            read.clear()
            np.testing.assert_array_equal(np.concatenate(copied(stream)), X)
            assert len(read) == len(stream.ranges) - kept
        read.clear()


def test_kept_blocks_of_files_lie_among_those_that_are_read(tmp_path):
    assert sorted(scanned(saved(tmp_path), SMALL)._kept.blocks) == [2, 4, 7, 9]
    assert sorted(scanned(parquet(tmp_path), SMALL)._kept.blocks) == [0, 1, 2, 3]


def test_a_pass_over_parquet_begins_at_the_row_group_that_is_missing(tmp_path, monkeypatch):
    stream = scanned(written(tmp_path, dict(zip(NAMES, X.T, strict=True)) | {"late": Y}, row_group_size=700), SMALL, "late")
    read = []
    iter_batches = pa.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(pa.parquet.ParquetFile, "iter_batches", lambda file, rows, groups, columns:
                        read.append((groups, columns)) or iter_batches(file, rows, groups, columns))
    np.testing.assert_array_equal(np.concatenate(copied(stream)), X)
    assert read == [([2, 3, 4, 5, 6, 7], list(NAMES))]          # four blocks of 512 rows are kept


def test_least_memory(tmp_path):
    path = saved(tmp_path)
    with pytest.raises(ValueError, match=r"^memory is 1000 bytes, too little for two blocks of 512.*pass at least \d+$") as e:
        scanned(path, 1000)
    least = int(re.search(r"\d+$", str(e.value))[0])
    np.testing.assert_array_equal(np.concatenate(copied(scanned(path, least))), X)
    with pytest.raises(ValueError, match="too little"):
        scanned(path, least - 1)
    with pytest.raises(ValueError, match=r"^block 2 takes 28800 bytes.*memory=70000 has room for two of 26250"):
        scanned(list_of_blocks(None), 70_000)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (2e9, TypeError), ("2 GB", TypeError)])
def test_memory_must_be_a_number_of_bytes(value, error):
    with pytest.raises(error, match=r"^memory must be"):
        fastlr.stream(X, memory=value)


def test_memory_is_half_of_what_is_available(monkeypatch):
    monkeypatch.setattr(stream_blocks, "available_memory", lambda: 2001)
    assert fastlr.stream(X).memory == 1000


# ---- passes ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", [npy, parquet, feather, function_of_blocks], ids=lambda make: make.__name__)
def test_a_pass_may_be_left(tmp_path, source):
    stream = scanned(source(tmp_path), 150_000)
    for blocks in range(1, 4):
        for _, (_, block) in zip(range(blocks), stream.blocks(), strict=False):
            assert block.any()
        assert not readers()
    np.testing.assert_array_equal(np.concatenate(copied(stream)), X)


@pytest.mark.parametrize("memory", [100_000, LARGE])
def test_a_pass_that_begins_ends_the_one_before(tmp_path, memory):
    stream = scanned(saved(tmp_path), memory)
    old = stream.blocks()
    next(old)
    new = stream.blocks()
    next(new)
    if memory < LARGE:
        with pytest.raises(RuntimeError, match=r"another pass over Stream.* has begun"):
            next(old)
    assert len([*new]) == len(stream.ranges) - 1


def test_a_pass_that_waits_is_ended_too():
    over = threading.Event()

    def blocks():
        yield X[:2500]
        if waits:
            over.wait(10.0)
        yield X[2500:]

    waits = False
    stream = scanned(blocks, 200_000)
    waits = True
    has_a_block, found = threading.Event(), []

    def first():
        try:
            for _ in stream.blocks():
                has_a_block.set()
        except RuntimeError as error:
            found.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert has_a_block.wait(10.0)
    time.sleep(0.02)                            # it asks for another, most likely
    threading.Timer(0.05, over.set).start()
    second = copied(stream)                     # waits for the read that goes on
    thread.join(10.0)
    assert "another pass" in str(found[0])
    np.testing.assert_array_equal(np.concatenate(second), X)


def test_reading_goes_ahead(tmp_path):
    """While the first block is computed on, the second is read, and no more than that."""
    given = []
    ahead = threading.Event()

    def blocks():
        for i, first in enumerate(range(0, M, 1000)):
            given.append(i)
            if i == 2:                          # asked for while there is no room for it
                ahead.set()
            yield X[first:first + 1000]

    stream = scanned(blocks, 110_000)
    assert not stream._kept.blocks
    given.clear()
    ahead.clear()
    for i, _ in enumerate(stream.blocks()):
        if i == 0:
            assert ahead.wait(10.0)
            time.sleep(0.05)
            assert given == [0, 1, 2]


def test_ctrl_c_while_a_block_is_waited_for(monkeypatch):
    monkeypatch.setattr(read_ahead, "PATIENCE", 0.01)
    over = threading.Event()

    def blocks():
        yield X
        if is_training:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            over.wait(10.0)
        yield X

    is_training = False
    stream = scanned(blocks, 400_000)
    is_training = True
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        copied(stream)
    assert time.monotonic() - start < 5.0
    over.set()
    is_training = False
    assert len(copied(stream)) == 2             # after the thread has ended


SCRIPT = """
import os, sys, warnings
import numpy as np, fastlr
warnings.simplefilter("ignore")
stream = fastlr.stream(sys.argv[1], memory=100_000)
stream.scan(np.zeros(5000), None, None)
left = stream.blocks()
for _ in range(2):
    next(left)
if os.fork() == 0:
    try:
        for _ in left:
            pass
    except RuntimeError as error:
        print(error)
    print(sum(len(block) for _, block in stream.blocks()))
else:
    os.wait()
    left = stream.blocks()                      # and nobody ends this one
    next(left)
    print("numba" in sys.modules, "pyarrow" in sys.modules)
"""


@pytest.mark.slow
def test_a_fork_and_the_end_of_the_program(tmp_path):
    process = run(SCRIPT, saved(tmp_path))
    first, *others = process.stdout.splitlines()
    assert "forked process" in first
    assert others == ["5000", "False False"]
    assert (process.returncode, process.stderr) == (0, "")


def test_a_first_pass_after_one_that_failed(tmp_path):
    blocks = [(X[:1000], Y[:1000]), (X[:9], Y[:9])]
    stream = fastlr.stream(lambda: iter(blocks), memory=LARGE)
    blocks[1] = "nothing", Y[:9]
    with pytest.raises(ValueError, match="block 1"):
        stream.scan(None, None, None)
    blocks[1] = X[1000:], Y[1000:]
    y, _, _ = stream.scan(None, None, None)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(np.concatenate(copied(stream)), X)


def test_nothing_is_known_before_the_first_pass():
    for ask in (lambda stream: stream.shape, lambda stream: next(stream.blocks())):
        with pytest.raises(RuntimeError, match=r"Stream\('X', memory=1000\) has not been read yet"):
            ask(fastlr.stream(X, memory=1000))


# ---- refusals -------------------------------------------------------------------------------------------------------

def damaged(folder, content):
    (folder / "X.npy").write_bytes(content)
    return folder / "X.npy"


def cut_short(folder):
    path = saved(folder)
    os.truncate(path, 1000)
    return path


def with_folder(folder):
    (folder / "year=1").mkdir()
    return folder


def two_kinds(folder):
    parquet(folder)
    feather(folder)
    return folder


@pytest.mark.parametrize(("source", "error", "message"), [
    (lambda folder: folder / "none.npy", FileNotFoundError, r"none\.npy"),
    (lambda folder: folder / "none.parquet", FileNotFoundError, r"none\.parquet"),
    (lambda folder: damaged(folder, b""), ValueError, r"X\.npy is not an \.npy file, or is damaged: "),
    (lambda folder: damaged(folder, b"\x93NUMPY\1\0v\0{'descr': 1"), ValueError, r"X\.npy is not an \.npy file, or is damaged: "),
    (cut_short, ValueError, r"X\.npy: 5000 rows of 3 columns of float64 need 120128 bytes, and the file has 1000; it is c"),
    (lambda folder: saved(folder, X[0]), ValueError, r"^X must have two dimensions.*\(3,\)"),
    (lambda folder: saved(folder, X[:0]), ValueError, r"^X is empty"),
    (lambda folder: saved(folder, X.astype(str)), TypeError, r"^X must hold real numbers, not <U.*turn text"),
    (lambda folder: saved(folder, X.astype(object)), TypeError, r"^X must hold real numbers, not object; .*X.astype\(float\)"),
    (lambda folder: folder / "X.csv", FileNotFoundError, r"X\.csv"),
    (lambda folder: saved(folder).rename(folder / "X.csv"), ValueError, r"X\.csv can't be streamed.*\.npy.*\.parquet.*Parquet$"),
    (lambda folder: folder, ValueError, r"can't be streamed"),
    (with_folder, ValueError, r"holds another folder, 'year=1'; pass pyarrow\.dataset\.dataset\("),
    (two_kinds, ValueError, r"can't be streamed.*of one kind"),
    (lambda folder: saved(folder).rename(folder / "X.parquet"), ValueError, r"X\.parquet: .*Parquet magic bytes"),
    (lambda folder: np.load(saved(folder), mmap_mode="r")[:, 1:], ValueError, r"^source is a memory map of some of an array's"),
    (lambda folder: np.load(saved(folder), mmap_mode="r")[::2], ValueError, r"^source is a memory map of .*rows with steps"),
    (lambda folder: np.load(saved(folder), mmap_mode="r")[::-1], ValueError, r"^source is a memory map of .*rows with steps"),
    (lambda folder: np.load(saved(folder), mmap_mode="c"), ValueError, r"^source is a memory map with mode='c'"),
    (lambda folder: (block for block in [X]), TypeError, r"^source is a generator, which gives its blocks once.*the function"),
    (lambda folder: 7, TypeError, r"^source must be the path .*, not int"),
    (lambda folder: pd.DataFrame(X), TypeError, r"^source is a DataFrame, which lies in memory already"),
    (lambda folder: scipy.sparse.csr_array(X), TypeError, r"^source is a csr_array, which lies in memory already"),
])
def test_sources_that_are_refused(tmp_path, source, error, message):
    with pytest.raises(error, match=message):
        fastlr.stream(source(tmp_path), memory=LARGE)


def put(value, row=3500, column=1, A=X):
    A = np.array(A)
    A[row, column] = value
    return A


def in_two_files(folder, first, second):
    for name, columns in (("1.parquet", first), ("2.parquet", second)):
        pa.parquet.write_table(pa.table(columns), folder / name)
    return folder


MISSING = pa.array([*X[:, 0][:4999], None])
FLOATS = {"a": X[:, 0].astype("f4")}


@pytest.mark.parametrize(("source", "arguments", "error", "message"), [
    (npy, (None,), ValueError, r"^y is missing, and .*X\.npy holds X alone"),
    (npy, ("late",), ValueError, r"^y is 'late', the name of a column, and .*X\.npy has no names"),
    (npy, (Y, "weight"), ValueError, r"^sample_weight is 'weight', the name of a column"),
    (parquet, (None,), ValueError, r"^y is missing; pass the name of one of the columns of .*X\.parquet"),
    (parquet, ("late",), ValueError, r"X\.parquet: the column of y is missing: 'late'; there are 'a', 'b', 'c'$"),
    (parquet, (Y, None, "late"), ValueError, r"X\.parquet: the column of offset is missing: 'late'"),
    (lambda folder: written(folder, {"a": Y}), ("a",), ValueError, r"X\.parquet has no columns but 'a', and no feature"),
    (lambda folder: written(folder, {"a": X[:0, 0]}), (Y[:0],), ValueError, r"^X is empty.*\(0, 1\)"),
    (lambda folder: written(folder, {"a": Y, "b": [*"yn"] * 2500}), ("a",), ValueError,
     r"X\.parquet: column 'b' holds string, which are not numbers; turn text into numbers"),
    (lambda folder: written(folder, {"a": X[:, 0], "b": MISSING}), (Y,), ValueError,
     r"X\.parquet, block 0 \(rows 0 to 4999\): column 'b', row 4999: the value is missing"),
    (lambda folder: written(folder, {"a": X[:, 0], "b": MISSING}), (Y, "b"), ValueError,
     r"block 0 \(rows 0 to 4999\): column 'b', row 4999: the value is missing"),
    (lambda folder: written(folder, {"a": X[:, 0], "b": X[:, 1]}), ("a",), ValueError,
     r"block 0 \(rows 0 to 4999\): column 'a'.* more than 100 different values"),
    (lambda folder: in_two_files(folder, {"a": X[:, 0]}, {"b": X[:, 0]}), (Y,), ValueError,
     r"block 0 .*: .*2\.parquet: there is no column 'a' in this file"),
    (lambda folder: in_two_files(folder, FLOATS, {"a": X[:, 0]}), (Y,), ValueError,
     r"block 0 .*: column 'a', row 5000: there are float64 in this file, and float32"),
    (lambda folder: in_two_files(folder, {"a": X[:, 0], "y": Y}, {"a": X[:, 0], "y": Y.astype(str)}), ("y",), ValueError,
     r"block 0 .*: column 'y', row 5000: labels are text here, and numbers before; make them all of one kind"),
    (lambda folder: written(folder, {"a": X[:, 0], "b": Y.astype("M8[D]")}), (Y,), ValueError,
     r"column 'b' holds date32\[day\], which are not numbers; turn dates and times into numbers first"),
    (lambda folder: saved(folder, put(np.nan)), (Y,), ValueError,
     r"X\.npy, block 6 \(rows 3072 to 3583\): X has 1 value.*the first is nan at row 3500, column 1"),
    (lambda folder: saved(folder, put(np.inf)), (Y,), ValueError, r"inf at row 3500, column 1\."),
    (lambda folder: saved(folder, put(1e200)), (Y,), ValueError, r"beyond 1e\+150.*1e\+200 at row 3500, column 1\."),
    (lambda folder: written(folder, dict(zip(NAMES, put(np.nan).T, strict=True))), (Y,), ValueError,
     r"X\.parquet, block 6 \(rows 3072 to 3583\): X has 1 value.*nan at row 3500, column 1 \('b'\)"),
    (lambda folder: [X[:3000], put(np.nan)[3000:]], (Y,), ValueError, r"^source, block 1 \(rows 3000 to 4999\): .*nan at row 35"),
    (lambda folder: list, (Y,), ValueError, r"^source gives no block"),
    (lambda folder: [X], (None,), TypeError, r"^source, block 0.*must be \(X, y\) where y is not passed, and is a ndarray"),
    (lambda folder: [(X, Y)], (Y,), TypeError, r"^source, block 0.*brings its own y; pass no other"),
    (lambda folder: [(X, Y, WEIGHT)], (None,), TypeError, r"^source, block 0.*must be \(X, y\).*is a tuple"),
    (lambda folder: [(X, Y[:9])], (None,), ValueError, r"^source, block 0.*y has 9 values, and X has 5000 rows"),
    (lambda folder: [(X, Y), (X, Y.astype(str))], (None,), ValueError, r"^source, block 1 .*y holds <U.*, and int64 in the"),
    (lambda folder: [(X, Y), (X, np.column_stack([Y, 2 - Y]))], (None,), ValueError, r"block 1 .*y holds counts here, and int64"),
    (lambda folder: [X, X[:, :2]], (Y,), ValueError, r"^source, block 1 \(from row 5000 on\): .*number of columns.*: 2, not 3"),
    (lambda folder: [X, X.astype("f4")], (Y,), ValueError, r"^source, block 1 .*another dtype .*: float32, not float64"),
    (lambda folder: [pd.DataFrame(X), pd.DataFrame(X, columns=NAMES)], (Y,), ValueError, r"^source, block 1 .*names of columns"),
    (lambda folder: [X, scipy.sparse.csr_array(X)], (Y,), ValueError, r"^source, block 1 .*another layout .*: sparse, not dense"),
    (lambda folder: [scipy.sparse.csr_array(X), X], (Y,), ValueError, r"^source, block 1 .*another layout .*: dense, not sparse"),
    (lambda folder: [scipy.sparse.csr_array(put(np.nan))], (Y,), ValueError, r"^source, block 0 .*nan at row 3500, column 1\."),
    (lambda folder: [X, X.astype(str)], (Y,), TypeError, r"^source, block 1 .*X must hold real numbers"),
    (lambda folder: [X, "text"], (Y,), ValueError, r"^source, block 1 .*X must have two dimensions"),
    (lambda folder: [X, X[:0]], (Y,), ValueError, r"^source, block 1 .*X is empty"),
])
def test_the_first_pass_refuses(tmp_path, source, arguments, error, message):
    stream = fastlr.stream(source(tmp_path), memory=100_000 if "block 6" in message else LARGE)
    with pytest.raises(error, match=message):
        stream.scan(*arguments, *[None] * (3 - len(arguments)))
    assert not readers()


# ---- what changes while it is trained on ----------------------------------------------------------------------------

def middle_of_a_pass(stream, change):
    """A pass in the middle of which something changes; the rest of it, and another."""
    with pytest.raises(Exception) as e:
        for _ in range(2):
            for i, (first, block) in enumerate(stream.blocks()):
                stream.refuse_not_finite(first, block)
                if i == 1:
                    change()
    assert not readers()
    return e.value


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["f8", ">f4"])
def test_a_file_that_shrinks(tmp_path, order, dtype):
    path = saved(tmp_path, np.asarray(X, dtype, order=order))
    stream = scanned(path, 50_000)
    size = np.dtype(dtype).itemsize
    end = 128 + size * (3500 * N + 1 if order == "C" else (N - 1) * M + 3500)
    error = middle_of_a_pass(stream, lambda: os.truncate(path, end))
    assert type(error) is ValueError
    number, rows = next((i, rows) for i, rows in enumerate(stream.ranges) if rows.start <= 3500 < rows.stop)
    assert str(error) == (f"{path}, block {number} (rows {rows.start} to {rows.stop - 1}): the file ends at row 3500; it has "
                          "become shorter since training began")


def test_a_file_that_vanishes(tmp_path):
    path = saved(tmp_path)
    error = middle_of_a_pass(scanned(path, 50_000), path.unlink)
    assert type(error) is FileNotFoundError
    assert error.errno == errno.ENOENT and error.filename == str(path)
    assert "at block 0 (rows 0 to 511)" in str(error)


def test_a_file_that_becomes_another(tmp_path):
    path = saved(tmp_path)
    for other in (X.astype("f4"), X.T, np.asfortranarray(X), X[:100]):
        np.save(path, X)
        error = middle_of_a_pass(scanned(path, 50_000), lambda other=other: os.replace(saved(tmp_path, other, "new.npy"), path))
        assert type(error) is ValueError
        assert re.search(r"X\.npy, block 0 .*the file has changed since training began: it holds .*, and held \(5000, 3\) fl",
                         str(error))


def test_a_file_that_grows(tmp_path):
    path = saved(tmp_path)
    stream = scanned(path, 50_000)
    with open(path, "ab") as file:
        file.write(b"more")
    np.testing.assert_array_equal(np.concatenate(copied(stream)), X)


def test_a_number_that_is_no_longer_one(tmp_path):
    path = saved(tmp_path)

    def change():
        np.load(path, mmap_mode="r+")[3500, 1] = np.nan

    error = middle_of_a_pass(scanned(path, 50_000), change)
    assert type(error) is ValueError
    assert re.search(r"X\.npy, block 6 \(rows 3072 to 3583\) has changed since training began: X has 1 val.* nan at row 3500, c",
                     str(error))


def test_tables_that_change(tmp_path):
    for make in (parquet, feather):
        path = make(tmp_path)
        error = middle_of_a_pass(scanned(path, 50_000), path.unlink)
        assert type(error) is FileNotFoundError and re.search(r"directory, at block [01] \(rows", str(error)), make

    def shorter(path):
        write = pa.parquet.write_table if path.suffix == ".parquet" else pa.feather.write_feather
        write(table().slice(0, 4000), f"{path}.new")
        os.replace(f"{path}.new", path)

    def damaged(path):
        path.write_bytes(b"PAR1" + path.read_bytes()[:5000])

    for make, change, message in (
            (parquet, shorter, r"block 1 .*the file has changed since training began: it has 4000 rows in 1 row groups"),
            (feather, shorter, r"block 7 .*the file has changed since training began: it had 5000 rows, and has 4000"),
            (parquet, damaged, r"X\.parquet, block 1 .*[Pp]arquet")):
        path = make(tmp_path)
        stream = scanned(path, 50_000)
        change(path)
        with pytest.raises(ValueError, match=message):
            copied(stream)


@pytest.mark.parametrize(("then", "message"), [
    ([X[:1000], X[1000:2000]], r"^source gives 2 blocks, and gave 3 at first; every pass must give the same blocks"),
    ([], r"^source gives 0 blocks, and gave 3 at first"),
    ([X[:1000], X[1000:2000], X[:1000], X], r"^source gives more than 3 blocks"),
    ([X[:1000], X[:999], X[:1000]], r"^source, block 1 \(rows 1000 to 1999\) has 999 rows now"),
    ([X[:1000, :2]], r"^source, block 0 .*number of columns"),
    ([X[:1000], X[:1000].astype("f4")], r"^source, block 1 .*dtype"),
])
def test_blocks_that_are_others_in_the_next_pass(then, message):
    passes = iter([[X[:1000], X[1000:2000], X[2000:3000]], then])
    stream = scanned(lambda: next(passes), 80_000)
    with pytest.raises(ValueError, match=message):
        copied(stream)
    assert not readers()


def test_an_error_of_somebodys_own_stays_as_it_is():
    passes = itertools.count()

    def blocks():
        yield X[:1000]
        if next(passes):
            raise LookupError("the database is gone")
        yield X[:1000]

    stream = scanned(blocks, 80_000)
    with pytest.raises(LookupError, match=r"^the database is gone") as e:
        copied(stream)
    assert e.value.__notes__ == ["raised by the source of a stream, at block 1 (from row 1000 on)"]


def test_samples_have_their_share():
    assert block_buffers.sample_bytes(1000) == 250
    assert scanned(X, 10 ** 10).sample_bytes == 64 * 2 ** 20
