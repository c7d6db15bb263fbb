"""The benchmarks' own logic: verdicts of the comparison, figures of the chart, what the suite promises to asv."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import fastlr
from benchmarks import BACKENDS, chart, compare, history, page, peers
from tests.problems import problem

pytestmark = pytest.mark.slow

SUITE = Path(__file__).parents[1] / "benchmarks"


def test_the_names_of_the_backends_are_those_of_the_table():
    """The benchmarks spell the names out, so that they import on old commits."""
    assert list(BACKENDS) == list(fastlr.available_backends())


@pytest.mark.parametrize("name", ["kernels", "training", "optimum", "start_up", "calls", "scaling", "memory", "classes",
                                  "sparse", "streaming", "distributed_data", "partial_fit", "elastic_net"])
def test_benchmarks_import_fastlr_inside_of_functions_only(name):
    """asv imports the suite on every commit, and skips what a commit lacks in setup."""
    body = ast.parse((SUITE / f"{name}.py").read_text()).body
    modules = [node.module for node in body if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    assert not [module for module in modules if module is not None and module.split(".")[0] in ("fastlr", "numba", "sklearn")]


def test_speed_ups_are_no_regressions_when_they_rise():
    """asv takes less for better; its configuration leaves what is named speed_up out."""
    text = (SUITE.parent / "asv.conf.json").read_text()
    settings = json.loads("\n".join(line for line in text.splitlines() if not line.strip().startswith("//")))
    assert settings["regressions_first_commits"] == {".*speed_up.*": None}
    for source in SUITE.glob("*.py"):
        assert source.read_text().count('"times as fast"') <= source.read_text().count("def track_speed_up")


def test_the_page_loads_nothing_from_the_web():
    loads = ('<script src="https://code.jquery.com/jquery-3.3.1.min.js" integrity="sha256-Fg=" crossorigin="anonymous">',
             '<link href="https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/css/bootstrap.min.css" integrity="sha256-6V=" '
             'crossorigin="anonymous">')
    html, names = page.with_local_files("\n".join(loads))
    assert html == '<script src="jquery-3.3.1.min.js">\n<link href="bootstrap.min.css">'
    assert names == ["jquery-3.3.1.min.js", "bootstrap.min.css"]
    with pytest.raises(SystemExit, match=r"asv loads react\.js; add the package of npm to _FILES"):
        page.with_local_files(loads[0].replace("jquery-3.3.1.min.js", "react.js"))


def test_a_page_has_what_one_machine_measured(tmp_path):
    page.select("epyc-zen3-2-cores", tmp_path / "results")
    described = json.loads((tmp_path / "results" / "benchmarks.json").read_text())
    assert "kernels.Step.track_time" in described and "version" in described
    assert not any(name.startswith("memory.") for name in described)        # measured on no machine


def test_the_interval_is_that_of_wilcoxons_test():
    values = np.random.default_rng(0).standard_normal(16) + 0.5
    low, center, high = compare.signed_rank_interval(values, 0.05)
    assert low < center < high
    for end, outwards in ((low, -1e-9), (high, 1e-9)):
        assert stats.wilcoxon(values - end - outwards, mode="exact").pvalue <= 0.05
        assert stats.wilcoxon(values - end + outwards, mode="exact").pvalue > 0.05


def test_too_few_rounds_leave_everything_open():
    assert compare.signed_rank_interval([0.2, 0.2, 0.2], 0.05) == (-np.inf, 0.2, np.inf)
    assert compare.judge({"a step": [0.2, 0.2, 0.2]})["a step"][0] == "unclear"


def test_verdicts_of_a_slowdown_a_speed_up_and_no_change():
    noise = 0.02 * np.random.default_rng(1).standard_normal((3, 16))
    judged = compare.judge({"slowed": np.log(1.2) + noise[0], "as before": noise[1], "sped up": np.log(0.8) + noise[2]})
    assert [verdict for verdict, *_ in judged.values()] == ["slower", "the same", "faster"]
    assert "+20" in compare.report(judged)[0] or "+19" in compare.report(judged)[0]


def test_no_change_raises_no_false_alarm():
    """Noise of 10 % with outliers of a factor of two, 11 benchmarks, 100 comparisons."""
    random = np.random.default_rng(2)
    alarms = 0
    for _ in range(100):
        noise = 0.1 * random.standard_normal((11, 16)) + np.log(2) * random.choice([-1, 0, 1], (11, 16), p=[0.05, 0.9, 0.05])
        alarms += any(verdict in ("slower", "faster") for verdict, *_ in compare.judge(dict(enumerate(noise))).values())
    assert alarms <= 100 * 0.05


STORED = {
    "commit_hash": "0123456789abcdef", "date": 2,
    "result_columns": ["result", "params", "version"],
    "results": {
        "kernels.Step.track_time": [[3e-3, None, 5.3e-6, float("nan")],
                                    [["'python'", "'fused'"], ["'2000 x 20'", "'200000 x 100'"]], "1"],
        "optimum.Optimum.time_fit": [[0.003, None], [["'digits'", "'20000 x 500'"]], "1"],
        "optimum.Optimum.track_speed_up": [[2.5, None], [["'digits'", "'20000 x 500'"]], "1"],
    },
}


def test_the_chart_reads_results_as_asv_stores_them(tmp_path):
    assert chart.table(STORED, "kernels.Step.track_time") == {("python", "2000 x 20"): 3e-3, ("fused", "2000 x 20"): 5.3e-6}
    for name, date in (("old.json", 1), ("new.json", 2)):
        (tmp_path / name).write_text(json.dumps({"date": date}))
    (tmp_path / "machine.json").write_text("{}")
    assert chart.newest(tmp_path)["date"] == 2


@pytest.mark.parametrize(("seconds", "text"), [(4.3e-1, "430 ms"), (7.2e-4, "720 µs"), (5.3e-6, "5.3 µs"), (1.2, "1.2 s"),
                                               (0.999, "1.0 s"), (0.0437, "44 ms")])
def test_times_are_written_with_two_digits(seconds, text):
    assert chart.pretty(seconds) == text


def test_the_chart_is_the_same_file_every_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        chart.draw(STORED, "a-machine", tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    drawn = (tmp_path / "one.svg").read_text()
    assert all(text in drawn for text in (">time, logarithmic<", ">10 µs<", ">fused<", ">2000 x 20<"))


def test_the_core_set_is_six_files():
    names = [source.stem for source in SUITE.glob("*.py") if re.search(history.CORE, f"{source.stem}.Some.time_it")]
    assert sorted(names) == ["calls", "elastic_net", "kernels", "optimum", "start_up", "training"]


def test_peers_prints_inference_beside_statsmodels(capsys, monkeypatch):
    X, y, *_ = problem(2000, 4)
    monkeypatch.setattr(peers, "problem", lambda m, n: (X, y))
    peers.main(["--tables", "inference", "--runs", "1"])
    rows = capsys.readouterr().out.splitlines()[-len(peers.INFERENCE):]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == list(peers.INFERENCE)


@pytest.mark.compiles
def test_peers_prints_classes_beside_scikit_learns_solvers(capsys):
    peers.main(["--tables", "classes", "--runs", "1", "--only", "iris"])
    head, _, row = capsys.readouterr().out.splitlines()[-3:]
    assert head.split(" | ")[2:] == ["fastlr", "at 1e-8", "lbfgs", "newton-cg", "newton-cholesky |"]
    assert row.startswith("| iris | 150 x 4 x 3 | ")
    assert all(float(figure) > 0.0 for figure in row.strip("| ").split(" | ")[2:])


@pytest.mark.compiles
def test_peers_prints_l1_beside_liblinear(capsys, monkeypatch):
    monkeypatch.setattr(peers, "L1_CASES", {"small": lambda: problem(200, 8)[:2]})
    monkeypatch.setitem(peers.TABLES, "l1", (*peers.TABLES["l1"][:2], peers.L1_CASES, lambda runs: 3))
    monkeypatch.delitem(peers.L1_PEERS, "skglm")
    peers.main(["--tables", "l1", "--runs", "1"])
    rows = capsys.readouterr().out.splitlines()[-3:]
    assert all(re.fullmatch(rf"\| small \| 200 x 8 \| {share} \| [\d.]+ \| [\d.]+ \|", row)
               for share, row in zip((0.1, 0.01, 0.001), rows, strict=True))


def test_peers_prints_a_table_with_versions(capsys, monkeypatch):
    monkeypatch.setattr(fastlr, "warmup", lambda: 0.0)
    peers.main(["--tables", "optimum", "--only", "digits", "--runs", "1"])
    shown = capsys.readouterr().out
    assert f"numpy {np.__version__}" in shown and "\n## Seconds to the optimum\n" in shown
    assert re.search(r"^\| digits, odd or even \| 1797 x 64 \| [\d.]+ \| [\d.]+ \(scikit-learn, [\w-]+\)", shown, re.MULTILINE)


def test_a_data_set_that_is_not_there_is_left_out(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(fastlr, "warmup", lambda: 0.0)
    monkeypatch.setenv("FASTLR_DATA", str(tmp_path))
    peers.main(["--tables", "optimum", "--only", "skin", "--runs", "1"])
    captured = capsys.readouterr()
    assert "| skin" not in captured.out and "FASTLR_DATA has no dense/skin_nonskin.npz" in captured.err
