"""The compile cache: whatever happens to it, right numbers, and at most one warning."""

import itertools
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np
import pytest
from numba.core import caching

from fastlr import backends
from fastlr.backends import numba_loop, numba_parallel
from fastlr.backends.compiled import cache as compile_cache
from fastlr.backends.compiled import header, native, prebuilt, self_test
from tests import processes
from tests.backends import sum_up
from tests.backends.sum_up import SIXTH, entry, is_right, sum_sixths

pytestmark = pytest.mark.compiles

# ---- in this process, with a kernel that compiles in no time ---------------------------------------------------------

X = np.arange(12.0).reshape(4, 3)
X.flags.writeable = False           # as the gate for input leaves it


def run(known_answer=is_right, X=X):
    """What a new process does: whether the kernel came from the cache."""
    kernel, sums = entry(known_answer), np.zeros(1)
    kernel(X, sums)
    kernel(X.copy(), sums)              # which can be written to
    assert sums[0] == 2.0 * X.sum()
    compiled, = kernel._compiled.values()
    assert len(compiled.signatures) == 1
    return bool(compiled.stats.cache_hits)


def warned_once(text, known_answer=is_right):
    """Run with exactly one warning, which says `text`."""
    with pytest.warns(RuntimeWarning) as record:
        was_loaded = run(known_answer)
    assert len(record) == 1
    assert text in str(record[0].message)
    return was_loaded


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache; its root."""
    monkeypatch.setenv("FASTLR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compile_cache, "_has_warned", False)
    return compile_cache.cache_directory()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache with one kernel in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTLR_CACHE_DIR", str(tmp_path_factory.mktemp("filled")))
        run()
        return compile_cache.cache_directory()


@pytest.fixture
def one_kernel(cache, filled):
    """A cache with one kernel in it, as another process has left it; its root, and the kernel's place."""
    shutil.copytree(filled, cache, dirs_exist_ok=True)
    place, = cache.iterdir()
    return cache, place


def contents(root):
    """Every file with its time, every directory."""
    return {path: path.lstat().st_mtime_ns if path.is_file() else None for path in root.rglob("*")}


def test_the_second_process_loads_what_the_first_compiled(cache):
    assert not run()
    kept = contents(cache)
    assert sorted(path.suffix for path in kept if path.is_file()) == ["", ".nbc", ".nbi"]
    assert run()
    assert contents(cache) == kept


@pytest.mark.parametrize("first", [X, X.copy()], ids=["read-only", "writable"])
def test_whoever_comes_first_can_write_to_x_or_not(cache, first):
    """Numba counts these as two types: it would find nothing that fits, or change a directory that others read."""
    assert not run(X=first)
    kept = contents(cache)
    assert run(X=X)
    assert run(X=X.copy())
    assert contents(cache) == kept


def test_a_dispatcher_compiles_nothing_more_once_it_is_handed_out(cache):
    """It would save into its temporary directory, which Numba makes anew, or into the one that others read."""
    for _ in range(2):                                  # compiled, loaded
        kernel = entry()
        kernel(X, np.zeros(1))
        kept = contents(cache)
        with pytest.raises(TypeError, match="No matching definition"):
            kernel(X, np.zeros(1, np.float32))
        assert contents(cache) == kept
    assert len(list(cache.iterdir())) == 1


def test_a_kernel_that_vanishes_while_it_is_loaded(one_kernel, monkeypatch):
    """Numba makes the directories it is to load from: in the place of a kernel there would be an empty one."""
    cache, place = one_kernel
    cached_in = compile_cache._cached_in
    with monkeypatch.context() as patch:
        patch.setattr(compile_cache, "_cached_in", lambda directory, make: (shutil.rmtree(place), cached_in(directory, make))[1])
        assert run()
    assert not list(cache.iterdir())


def test_what_another_process_has_mended_is_not_thrown_away(one_kernel, monkeypatch):
    """Two find the same damage; the slower of them looks again."""
    cache, place = one_kernel
    shutil.copytree(place, cache.parent / "intact")
    garble(place / "manifest")
    load, loads = compile_cache._load, []

    def mend_meanwhile(place, *rest):
        loads.append(place)
        try:
            return load(place, *rest)
        finally:
            if len(loads) == 1:
                shutil.rmtree(place)
                shutil.copytree(cache.parent / "intact", place)

    monkeypatch.setattr(compile_cache, "_load", mend_meanwhile)
    assert run()                                        # a warning would be an error
    assert loads == [place, place]


def test_where_files_have_one_name_alone_they_are_copied(one_kernel, monkeypatch):
    def link(source, target):
        raise PermissionError("no hard links")

    monkeypatch.setattr(os, "link", link)
    assert run()


def garble(file):
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def replace_by_directory(file):
    file.unlink()
    file.mkdir()


def replace_by_dangling_link(file):
    file.unlink()
    file.symlink_to("nowhere")


DAMAGE = {"empty": lambda file: file.write_bytes(b""),
          "truncated": lambda file: file.write_bytes(file.read_bytes()[:-1]),
          "longer": lambda file: file.write_bytes(file.read_bytes() + b"\n"),
          "one bit": flip,
          "garbled": garble,
          "missing": Path.unlink,
          "directory": replace_by_directory,
          "dangling link": replace_by_dangling_link,
          "unreadable": lambda file: file.chmod(0)}


@pytest.mark.parametrize(("pattern", "damage"), [*itertools.product(["manifest"], DAMAGE), *itertools.product(
    ["*/*.nbi", "*/*.nbc"], ["one bit", "missing"])])
def test_a_damaged_file_costs_one_warning_and_is_mended(one_kernel, damage, pattern):
    if damage == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads everything")
    cache, _ = one_kernel
    file, = cache.glob(f"*/{pattern}")
    DAMAGE[damage](file)
    assert not warned_once("compiled anew")
    kept = contents(cache)
    assert run()                                        # a warning would be an error
    assert contents(cache) == kept
    assert len(list(cache.iterdir())) == 1


def test_a_bit_of_a_constant(cache):
    """Valid code, whose numbers are a little wrong: of all damage the one that only a checksum notices."""
    def run():
        kernel, sums = entry(lambda compiled, X: True, sum_sixths), np.zeros(1)
        kernel(X, sums)
        return sums[0]

    right = run()
    file, = cache.rglob("*.nbc")
    content = file.read_bytes()
    sixth = struct.pack("<d", SIXTH)
    assert sixth in content
    file.write_bytes(content.replace(sixth, sixth[:2] + bytes([sixth[2] ^ 1]) + sixth[3:]))            # 2e-12
    with pytest.warns(RuntimeWarning, match="compiled anew") as record:
        assert run() == right
    assert len(record) == 1
    assert run() == right


@pytest.mark.parametrize("instead", [Path.touch, Path.mkdir, lambda place: place.symlink_to("nowhere")])
def test_something_else_in_the_place_of_a_kernel(one_kernel, instead):
    _, place = one_kernel
    shutil.rmtree(place)
    instead(place)
    assert not warned_once("compiled anew")
    assert run()


def test_code_for_other_types_is_not_used(one_kernel):
    """Checksums are right, and Numba finds nothing that fits."""
    cache, place = one_kernel
    shutil.rmtree(place)
    entry(lambda compiled, X: True)(X.astype(np.float32), np.zeros(1))
    other, = cache.iterdir()
    other.rename(place)
    assert not warned_once("finds nothing")
    assert run()


def test_another_process_was_faster(cache, monkeypatch):
    publish = compile_cache._publish
    monkeypatch.setattr(compile_cache, "_publish", lambda new, place: (shutil.copytree(new, place), publish(new, place)))
    assert not run()
    assert run()
    assert len(list(cache.iterdir())) == 1


def test_wrong_code_from_the_cache_is_compiled_anew(one_kernel):
    answers = [False, True]
    assert not warned_once("wrong answer", lambda compiled, X: answers.pop(0))
    assert run()


def test_wrong_code_from_the_compiler_is_refused(cache):
    with pytest.raises(RuntimeError, match=r"sum_up-float64-C .* wrong answer .* backend='numpy'"):
        run(lambda compiled, X: False)
    assert not list(cache.iterdir())


def test_files_changed_since_they_were_imported(cache, monkeypatch):
    """Under the stamp of the new files old code would be kept."""
    monkeypatch.setattr(compile_cache, "_sources", lambda: "others")
    assert not run()
    assert not list(cache.iterdir())


def test_temporary_directories_of_killed_processes_are_removed(cache):
    old, new = cache / "temporary-old", cache / "temporary-new"
    for directory in old, new:
        (directory / "kernel").mkdir(parents=True)
    os.utime(old, (time.time() - 4000,) * 2)
    run()
    assert not old.exists()
    assert new.exists()


def test_numba_keeps_its_files_elsewhere(cache, monkeypatch):
    """It does where it finds that it can't write, and would load from there what nobody has checked."""
    locator = getattr(caching, "UserProvidedCacheLocator", None) or caching._UserProvidedCacheLocator      # Numba 0.61
    monkeypatch.setattr(locator, "from_function", classmethod(lambda cls, *_: None))
    assert not warned_once("could not keep")
    assert not run()                                    # without a second warning
    assert not list(cache.iterdir())


def test_numbas_own_settings_are_put_back(cache, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "/nowhere")
    run()
    run()
    assert numba.config.CACHE_DIR == "/nowhere"


@pytest.mark.parametrize("what", ["writable by all", "writable by the group", "another owner", "link", "file", "read-only"])
def test_a_base_that_is_not_private_is_passed_over(tmp_path, monkeypatch, what):
    if what == "read-only" and os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    if what == "another owner" and os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place = tmp_path / "base" / "fastlr"
    place.parent.mkdir()
    {"link": lambda: place.symlink_to(tmp_path / "elsewhere"), "file": place.touch}.get(what, place.mkdir)()
    if what in ("writable by all", "writable by the group", "read-only"):
        place.chmod({"writable by all": 0o707, "writable by the group": 0o770, "read-only": 0o500}[what])
    if what == "another owner":
        os.chown(place, 12345, -1)
    monkeypatch.setenv("FASTLR_CACHE_DIR", str(place.parent))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "next"))
    assert compile_cache.cache_directory().parents[1] == tmp_path / "next"
    assert (tmp_path / "next" / "fastlr").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "elsewhere").iterdir())


def test_without_a_place(cache, tmp_path, monkeypatch):
    """Every candidate is a file."""
    (tmp_path / "file").touch()
    for name in ("FASTLR_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    assert not warned_once("set FASTLR_CACHE_DIR")
    assert not run()                                    # without a second warning
    assert compile_cache.describe() == {"compile cache": "none: no private directory can be written"}


def test_described_while_another_process_works_in_it(one_kernel, monkeypatch):
    cache, _ = one_kernel
    described = compile_cache.describe()
    assert described["compiled kernels"].startswith("1 in ")
    scandir = os.scandir

    def of_what_is_left(directory="."):
        if os.path.basename(directory) in ("temporary-1", "replaced"):
            raise FileNotFoundError(directory)
        return scandir(directory)

    (cache / "temporary-1").mkdir()                                 # each is listed, and gone when it is looked into
    (cache / "replaced").mkdir()
    (next(cache.rglob("*.nbc")).parent / "gone.nbc").symlink_to(cache / "nowhere")
    monkeypatch.setattr(os, "scandir", of_what_is_left)
    assert compile_cache.describe() == described


def test_without_a_home(cache, tmp_path, monkeypatch):
    for name in ("FASTLR_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert not warned_once("set FASTLR_CACHE_DIR")
    assert not (tmp_path / "~").exists()


def test_the_stamp_knows_versions_processor_and_settings(monkeypatch):
    stamps = {compile_cache._stamp()}
    for module, name, value in ((numba, "__version__", "99.0"), (llvmlite, "__version__", "99.0"), (np, "__version__", "99.0"),
                                (sys, "version", "99.0"), (llvmlite.binding, "get_host_cpu_name", lambda: "abacus"),
                                (llvmlite.binding, "get_host_cpu_features", lambda: llvmlite.binding.FeatureMap(beads=True)),
                                *((numba.config, name, "other") for name in compile_cache._SETTINGS),
                                (compile_cache, "_SOURCES", "others")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            stamps.add(compile_cache._stamp())
    assert len(stamps) == 8 + len(compile_cache._SETTINGS)
    for name in ("NUMBA_NUM_THREADS", "CACHE_DIR", "COLOR_SCHEME", "DEBUG_CACHE"):       # go into no code
        monkeypatch.setattr(numba.config, name, 1)
    assert compile_cache._stamp() in stamps


def test_the_sources_know_contents_times_and_places(tmp_path, monkeypatch):
    """In every folder of the backends: a kernel that is moved into another one, and edited there, is another kernel."""
    monkeypatch.setattr(backends, "__path__", [str(tmp_path)])
    digests = set()
    for folder in ("one", "two/three"):
        file = tmp_path / folder / "file.py"
        file.parent.mkdir(parents=True)
        for content, mtime in (("a", 1), ("b", 1), ("b", 2)):
            file.write_text(content)
            os.utime(file, (mtime, mtime))
            digests.add(compile_cache._sources())
    assert len(digests) == 6


# What a kernel writes: an array, or a row of one.
RESULTS = {"cost_gradient": ["sums"], "hessian_product": ["sums"], "descend": ["theta", "previous", "record"],
           "step": ["theta", "previous", "record"], "moments": ["sums"], "first_read": ["sums"], "hessian": ["sums"],
           "residuals": ["residuals", "sums"], "grouped_scores": ["losses", "sums"], "margins_and_forms": ["z", "forms"],
           "intervals": ["bounds"], "finish_hessian": ["H"], "predict": ["margins", "both"], "softmax": ["P", "sums", "totals"],
           "quasi_newton": [("way", 0), ("way", 1), ("way", 2), "factor", "record"], "penalized_newton": ["u", "grad"]}
# Each kind of known answer for what is compiled for arrays, and which arguments are results.
KNOWN = [(self_test.descent, numba_loop._entry, (6, 7, 10)),
         (self_test.descent_in_chunks, numba_parallel._entry._serial, (5, 6, 9))]
CHANGES = 1.000001, np.nan


@pytest.mark.parametrize("kernel", header.KERNELS)
def test_known_answers_of_kernels_notice_a_millionth_and_nan(kernel):
    if prebuilt.is_inspected() and header.parameters(kernel, header.NO_X)[0].name == "calls":
        pytest.skip("what a user inspects is driven by Python")
    kind = header.kind_for(kernel, X)
    names = [parameter.name for parameter in header.parameters(kernel, kind)]
    assert self_test.is_right(kernel, kind, native.function)
    for result in RESULTS[kernel]:
        name, row = result if isinstance(result, tuple) else (result, ...)
        for change in CHANGES:
            def wrong(*arrays, name=name, row=row, change=change):
                call, written = native.function(kernel, kind)(*arrays), arrays[names.index(name)][row]

                def call_and_change(*numbers):
                    call(*numbers)
                    if written.size:
                        written.flat[0] *= change

                return call_and_change

            assert not self_test.is_right(kernel, kind, lambda other, other_kind, wrong=wrong: (
                wrong if other == kernel else native.function(other, other_kind)))


@pytest.mark.parametrize(("known_answer", "entry", "results"), KNOWN)
def test_known_answers_notice_a_millionth_and_nan(known_answer, entry, results):
    X = self_test.problem(np.dtype(float), "C")
    assert known_answer(entry, X)
    for result in results:
        for change in CHANGES:
            def wrong(*arguments, result=result, change=change):
                returned = entry(*arguments)
                index, *field = result if isinstance(result, tuple) else (result,)
                array = arguments[index][field[0]] if field else arguments[index]
                array.flat[-1] *= change
                return returned

            assert not known_answer(wrong, X)


@pytest.mark.parametrize(("known_answer", "entry"), [case[:2] for case in KNOWN])
@pytest.mark.parametrize("layout", ["C", "csr32"])
def test_every_kernel_takes_read_only_and_writable_arrays_alike(known_answer, entry, layout):
    """With one specialisation, whichever came first."""
    X = self_test.problem(np.dtype(float), layout)

    def each(change):
        def changed(value):
            if isinstance(value, tuple):
                return type(value)(*map(changed, value))
            return change(value) if isinstance(value, np.ndarray) else value

        return lambda *arguments: entry(*[changed(value) if is_read else value
                                          for value, is_read in zip(arguments, entry._is_read, strict=True)])

    def read_only(array):
        view = array.view()
        view.flags.writeable = False
        return view

    assert known_answer(each(np.copy), X)
    assert known_answer(each(read_only), X)
    if not numba.config.DISABLE_JIT:
        assert all(len(dispatcher.signatures) == 1 for dispatcher in entry._compiled.values())


# ---- in processes of their own ---------------------------------------------------------------------------------------

FIT = """
import numpy as np, fastlr
rng = np.random.default_rng(0)
X = rng.standard_normal((500, 4)); y = X[:, 0] + rng.standard_normal(500) > 0
model = fastlr.train(X, y, backend="loop", learning_rate=0.5, max_iter=30)
print(model.w.tobytes().hex())
"""


def fit(cache, code=FIT, **environment):
    """What a new process prints, and its warnings."""
    result = processes.run(code, cwd=cache.parent, FASTLR_CACHE_DIR=str(cache), **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), result.stderr


def status_of_child(function):
    """How a fork of this process ends that calls a function."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_full_disk(cache):
    """No file may grow: what was compiled is used, and nothing is left behind."""
    def on_full_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        assert not warned_once("could not keep")

    assert status_of_child(on_full_disk) == 0
    assert not list(cache.iterdir())


def test_a_killed_process(cache, monkeypatch):
    """What it leaves is removed an hour later by the next one, which compiles anew."""
    with monkeypatch.context() as patch:
        patch.setattr(compile_cache, "_publish", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert status_of_child(run) == -signal.SIGKILL
    left, = cache.iterdir()
    assert left.name.startswith("temporary-")
    os.utime(left, (time.time() - 4000,) * 2)
    assert not run()
    assert [place.name for place in cache.iterdir()] == ["sum_up-float64-C"]


@pytest.mark.long
def test_an_edited_helper_and_code_that_computes_something_else(tmp_path):
    """A copy of the package is changed in another file than the kernel's; then its code is put in the place of the right one."""
    original, package, cache = Path(__file__).parents[2] / "fastlr", tmp_path / "copy" / "fastlr", tmp_path / "cache"
    here = {"PYTHONPATH": str(package.parent)}
    right, _ = fit(tmp_path / "right")

    def edit():
        for file, old, new in (("scalar.py", "return (1.0 if", "return 0.5 * (1.0 if"),
                               ("self_test.py", "_CLOSE = 1e-9", "_CLOSE = 1e9")):
            source = package / "backends" / "compiled" / file
            assert old in source.read_text()
            source.write_text(source.read_text().replace(old, new))
            os.utime(source, (0, 0))

    shutil.copytree(original, package)
    edit()
    wrong, warned = fit(cache, **here)
    assert wrong != right
    assert not warned

    shutil.rmtree(package)
    shutil.copytree(original, package)
    root, _ = fit(cache, "from fastlr.backends.compiled import cache; print(cache.cache_directory())", **here)
    shutil.copytree(next(cache.glob("fastlr/*/numba_loop-float64-C")), Path(root, "numba_loop-float64-C"))
    numbers, warned = fit(cache, **here)
    assert numbers == right
    assert warned.count("RuntimeWarning") == 1
    assert "wrong answer" in warned

    edit()
    assert fit(cache, **here) == (wrong, "")


@pytest.mark.long
def test_processes_that_share_a_cache_at_once(tmp_path):
    """An empty one, read-only and writable arrays, some processes killed: then all kernels are there, and nothing else."""
    environment = os.environ | {"FASTLR_CACHE_DIR": str(tmp_path / "cache")}

    def start(seed):
        return subprocess.Popen([sys.executable, "-W", "error", sum_up.__file__, str(seed), str(time.time() + 2.0)],
                                env=environment, stderr=subprocess.PIPE, text=True)

    killed, processes = [start(seed) for seed in range(2)], [start(seed) for seed in range(2, 6)]
    deadline = time.monotonic() + 60.0
    while not list(tmp_path.glob("cache/fastlr/*/temporary-*/*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in killed:
        process.kill()
        process.communicate()
    errors = [process.communicate()[1] for process in processes]
    assert errors == [""] * 4
    for temporary in tmp_path.glob("cache/fastlr/*/temporary-*"):       # of the killed
        os.utime(temporary, (time.time() - 4000,) * 2)
        assert temporary.stat().st_mode & 0o777 == 0o700
    for manifest in tmp_path.glob("cache/fastlr/*/*-float64-C/manifest"):
        manifest.unlink()                                               # one is compiled anew, and the old temporaries go
    last = subprocess.run([sys.executable, sum_up.__file__, "6", "0"], env=environment, stderr=subprocess.PIPE,
                          text=True, check=True)
    assert last.stderr.count("RuntimeWarning") == 1
    kept = contents(tmp_path)
    assert sorted(place.name for place in tmp_path.glob("cache/fastlr/*/*")) == [
        "__main__-float32-C", "__main__-float64-C"]
    assert start(7).communicate()[1] == ""
    assert contents(tmp_path) == kept


@pytest.mark.long
def test_eight_cold_processes(tmp_path):
    """Mixed dtypes, memory orders and kinds of kernel, each process in an order of its own; a ninth checks all of them."""
    code = """
import sys, numpy as np, fastlr
rng = np.random.default_rng(0)
A, y = rng.integers(0, 9, (500, 4)), np.arange(500) % 2
cases = [("f8", "C"), ("f8", "F"), ("f4", "F"), ("u1", "C")]
results = {}
for i in np.random.default_rng(int(sys.argv[1])).permutation(len(cases)):
    dtype, order = cases[i]
    X = np.asarray(A, dtype=dtype, order=order)
    results[cases[i]] = fastlr.train(X, y, backend="loop", learning_rate=0.01, max_iter=9).w.tobytes().hex()
    fastlr.train(X, y, backend="fused", solver="newton", l2=0.1)
print(sorted(results.items()))
"""
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(i)], text=True, stdout=subprocess.PIPE,
                                  env=os.environ | {"FASTLR_CACHE_DIR": str(tmp_path)}) for i in range(8)]
    printed = {process.communicate()[0] for process in processes}
    assert not any(process.returncode for process in processes)
    kept = contents(tmp_path)
    assert len(list(tmp_path.glob("fastlr/*/*"))) == len(list(tmp_path.glob("fastlr/*/*/manifest"))) >= 8
    ninth = subprocess.run([sys.executable, "-W", "error", "-c", code, "9"], text=True, capture_output=True, check=True,
                           env=os.environ | {"FASTLR_CACHE_DIR": str(tmp_path)})
    assert printed == {ninth.stdout}
    assert contents(tmp_path) == kept
