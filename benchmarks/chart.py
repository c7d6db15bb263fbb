"""Draw docs/speed.svg from the stored results: `python -m benchmarks.chart`."""

import argparse
import itertools
import json
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_STEP = "kernels.Step.track_time"
_FIT, _AHEAD = "optimum.Optimum.time_fit", "optimum.Optimum.track_speed_up"
_COLORS = {"python": "#b8b8b8", "numpy": "#8c8c8c", "loop": "#9ec9e2", "parallel": "#4a98c9", "fused": "#084594"}
_SKLEARN = "#e08214"


def newest(folder):
    """The results file in a machine's folder that belongs to the newest commit."""
    files = [file for file in Path(folder).glob("*.json") if file.name != "machine.json"]
    if not files:
        raise SystemExit(f"{folder} has no results; python -m benchmarks.history MACHINE makes them")
    return max((json.loads(file.read_text()) for file in files), key=lambda stored: stored["date"])


def table(stored, benchmark):
    """Values of a benchmark by the tuple of their parameters, in asv's order; what was skipped or failed is left out.

    Parameters
    ----------
    stored : dict
        A results file of asv.
    benchmark : str

    Returns
    -------
    dict of tuple of str to float
    """
    entry = dict(zip(stored["result_columns"], stored["results"][benchmark], strict=False))
    keys = itertools.product(*([name.strip("'") for name in names] for names in entry["params"]))
    values = zip(keys, entry["result"], strict=True)
    return {key: value for key, value in values if isinstance(value, float | int) and value == value}


def pretty(seconds):
    """A time with two digits and its unit."""
    value, unit = next(((seconds / size, unit) for unit, size in (("s", 1.0), ("ms", 1e-3)) if seconds >= 0.995 * size),
                       (seconds / 1e-6, "µs"))
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"


def draw(stored, machine, path):
    """Two panels of points on a logarithmic axis of time: a step by backend, and the optimum beside scikit-learn."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "fastlr", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    steps = table(stored, _STEP)
    _panel(left, "One step of gradient descent",
           {shape: [(backend, value, _COLORS[backend]) for (backend, of), value in steps.items() if of == shape]
            for shape in dict.fromkeys(shape for _, shape in steps)})
    ahead = table(stored, _AHEAD)
    _panel(right, "The optimum",
           {case: [("scikit-learn's best solver", fit * ahead[case,], _SKLEARN), ("fastlr", fit, _COLORS["fused"])]
            for (case,), fit in table(stored, _FIT).items() if (case,) in ahead})
    figure.suptitle(f"commit {stored['commit_hash'][:8]} on {machine}; a gap between two lines of the grid is a factor of ten",
                    fontsize=9, color="#606060")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _panel(axes, title, groups):
    """A row of points for each group, on an axis of time."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    drawn = set()
    for place, points in enumerate(groups.values()):
        axes.plot([value for _, value, _ in points], [place] * len(points), color="#d0d0d0", zorder=1)
        for name, value, color in points:
            axes.plot(value, place, "o", color=color, markersize=9, label=None if name in drawn else name)
            drawn.add(name)
    axes.set(xscale="log", xlabel="time, logarithmic", yticks=range(len(groups)), yticklabels=groups,
             ylim=(len(groups) - 0.4, -0.6))
    axes.xaxis.set(major_locator=LogLocator(10.0, numticks=20), minor_locator=NullLocator(),
                   major_formatter=FuncFormatter(lambda value, _: pretty(value)))
    axes.grid(axis="x", color="#e8e8e8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, frameon=False, fontsize=9, handletextpad=0.1,
                columnspacing=0.8)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description="Draw docs/speed.svg from stored results.")
    parser.add_argument("machine", help="a folder of benchmarks/results")
    arguments = parser.parse_args()
    draw(newest(_ROOT / "benchmarks" / "results" / arguments.machine), arguments.machine, _ROOT / "docs" / "speed.svg")


if __name__ == "__main__":
    main()
