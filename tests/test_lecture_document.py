"""docs/from-the-lecture-to-the-limit.md shows the package's own code."""

import pytest

from tools.code_pieces import PIECE, ROOT, source_of

DOCUMENT = (ROOT / "docs" / "from-the-lecture-to-the-limit.md").read_text("utf-8")
PIECES = [match.groups()[1:] for match in PIECE.finditer(DOCUMENT)]


@pytest.mark.parametrize(("path", "name", "code"), PIECES, ids=[f"{path}:{name}" for path, name, _ in PIECES])
def test_the_code_is_that_of_the_source(path, name, code):
    assert code == source_of(path, name), "python -m tools.code_pieces brings it up to date"


def test_every_piece_of_code_says_where_it_is_from():
    assert DOCUMENT.count("```python") == len(PIECES) == 12
