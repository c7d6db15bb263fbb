"""The README's Python runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["model"].converged and "std. error" in capsys.readouterr().out


@pytest.mark.parametrize("name", re.findall(r"\]\((?!http)([^)#]+)", README.read_text("utf-8")))
def test_links_lead_somewhere(name):
    assert (README.parent / name).exists()
