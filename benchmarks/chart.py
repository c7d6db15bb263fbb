"""Draw docs/speed.svg from the stored results: `python -m benchmarks.chart`."""

import argparse
import itertools
import json
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_STEP = "kernels.Step.track_time"
_FIT, _AHEAD = "optimum.Optimum.time_fit", "optimum.Optimum.track_speed_up"
_COLOURS = {"python": "#b8b8b8", "numpy": "#8c8c8c", "loop": "#9ec9e2", "parallel": "#4a98c9", "fused": "#084594"}
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
    """Two panels of bars on logarithmic axes: a step by backend, and the optimum beside scikit-learn."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "fastlr", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    steps = table(stored, _STEP)
    _panel(left, "One step of gradient descent",
           {shape: [(backend, value, _COLOURS[backend]) for (backend, of), value in steps.items() if of == shape]
            for shape in dict.fromkeys(shape for _, shape in steps)})
    ahead = table(stored, _AHEAD)
    _panel(right, "The optimum, beside scikit-learn's best solver",
           {case: [("scikit-learn", fit * ahead[case,], _SKLEARN), ("fastlr", fit, _COLOURS["fused"])]
            for (case,), fit in table(stored, _FIT).items() if (case,) in ahead})
    figure.suptitle(f"commit {stored['commit_hash'][:8]} on {machine}; bars are times on a logarithmic scale, shorter is better",
                    fontsize=9, color="#606060")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _panel(axes, title, groups):
    """Horizontal bars in groups, each with its name and its time."""
    position, longest = 0.0, max(value for bars in groups.values() for _, value, _ in bars)
    least = min(value for bars in groups.values() for _, value, _ in bars)
    start = least / 3
    for heading, bars in groups.items():
        axes.text(start, position, heading, weight="bold", va="center", fontsize=10)
        position += 1
        for name, value, colour in bars:
            axes.barh(position, value - start, left=start, height=0.8, color=colour)
            axes.text(value * 1.1, position, f"{name} {pretty(value)}", va="center", fontsize=10)
            position += 1
        position += 0.4
    axes.set(xscale="log", xlim=(start, longest * (longest / start) ** 0.55))
    axes.set_title(title, loc="left", pad=12)
    axes.invert_yaxis()
    axes.set_axis_off()


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description="Draw docs/speed.svg from stored results.")
    parser.add_argument("machine", help="a folder of benchmarks/results")
    arguments = parser.parse_args()
    draw(newest(_ROOT / "benchmarks" / "results" / arguments.machine), arguments.machine, _ROOT / "docs" / "speed.svg")


if __name__ == "__main__":
    main()
