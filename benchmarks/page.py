"""Write asv's page of one machine's history, so that it works without the web: `python -m benchmarks.page MACHINE`.

`asv publish` averages over all machines, draws an empty box for what has no history, and loads jQuery, Flot, Bootstrap and others
from the web.  This publishes what one machine has measured on two commits or more, and puts those files beside the page, in
.asv/html.  npm fetches them once, into .asv/npm.
"""

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PAGE, _FETCHED = _ROOT / ".asv" / "html", _ROOT / ".asv" / "npm"
# The package of npm, and the file in it, for each file that the page loads.  npm has Flot in full only.
_FILES = {
    "jquery-3.3.1.min.js": ("jquery@3.3.1", "dist/jquery.min.js"),
    "jquery.flot.min.js": ("flot@0.8.3", "jquery.flot.js"),
    "jquery.flot.time.min.js": ("flot@0.8.3", "jquery.flot.time.js"),
    "jquery.flot.selection.min.js": ("flot@0.8.3", "jquery.flot.selection.js"),
    "jquery.flot.categories.min.js": ("flot@0.8.3", "jquery.flot.categories.js"),
    "jquery.flot.orderBars.js": ("flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js"),
    "stupidtable.min.js": ("stupid-table-plugin@1.1.3", "stupidtable.min.js"),
    "md5.min.js": ("blueimp-md5@2.19.0", "js/md5.min.js"),
    "bootstrap.min.js": ("bootstrap@3.1.1", "dist/js/bootstrap.min.js"),
    "bootstrap.min.css": ("bootstrap@3.1.1", "dist/css/bootstrap.min.css"),
}
# An address on the web with the file's name, and the hash that a browser checks.
_ADDRESS = re.compile(r'"https://[^"]+/([^"/]+)"([^>]*?) integrity="[^"]+" crossorigin="anonymous"')


def with_local_files(html):
    """The page with the files beside it in place of those on the web, and the names of these files."""
    names = [match[1] for match in _ADDRESS.finditer(html)]
    unknown = [name for name in names if name not in _FILES]
    if unknown:
        raise SystemExit(f"this version of asv loads {', '.join(unknown)}; add the package of npm to _FILES in {__file__}")
    return _ADDRESS.sub(r'"\1"\2', html), names


def fetched(package, file):
    """The bytes of one file of a package of npm."""
    archive = _FETCHED / f"{package.replace('@', '-')}.tgz"
    if not archive.exists():
        _FETCHED.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", package], cwd=_FETCHED, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(archive) as tar:
        return tar.extractfile(f"package/{file}").read()


def has_value(result):
    """Whether a result of asv, a list with the values first, has a number: null is a failure, and NaN is what was skipped."""
    return result is not None and any(value is not None and not math.isnan(value) for value in result[0] or ())


def select(machine, results):
    """Copy one machine's results into the folder `results`, and what describes the benchmarks of two commits or more."""
    stored = _ROOT / "benchmarks" / "results"
    shutil.copytree(stored / machine, results / machine)
    commits = Counter(name for path in (stored / machine).glob("*-*.json")
                      for name, result in json.loads(path.read_text("utf-8"))["results"].items() if has_value(result))
    described = json.loads((stored / "benchmarks.json").read_text("utf-8"))
    (results / "benchmarks.json").write_text(json.dumps({name: described[name] for name in described
                                                         if commits[name] > 1 or name == "version"}), "utf-8")


def publish(results):
    """Let asv write the page of the results in a folder."""
    lines = (_ROOT / "asv.conf.json").read_text("utf-8").splitlines()
    settings = json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))
    settings |= {"repo": str(_ROOT), "results_dir": str(results), "html_dir": str(_PAGE)}
    settings |= {name: str(_ROOT / settings[name]) for name in ("benchmark_dir", "env_dir")}
    config = results.parent / "asv.conf.json"
    config.write_text(json.dumps(settings), "utf-8")
    subprocess.run([sys.executable, "-m", "asv", "publish", "--config", str(config)], cwd=_ROOT, check=True)


def main():
    machines = sorted(path.parent.name for path in (_ROOT / "benchmarks" / "results").glob("*/machine.json"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description="Write the page of one machine's history.")
    parser.add_argument("machine", choices=machines)
    machine = parser.parse_args().machine
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        select(machine, results)
        publish(results)
    html, names = with_local_files((_PAGE / "index.html").read_text("utf-8"))
    for name in names:
        (_PAGE / name).write_bytes(fetched(*_FILES[name]))
    (_PAGE / "index.html").write_text(html, "utf-8")
    print(f"python -m http.server --directory {_PAGE.relative_to(_ROOT)}       shows it at http://localhost:8000")


if __name__ == "__main__":
    main()
