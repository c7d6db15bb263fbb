"""The documentation site: pip install -e ".[docs]" && make -C docs html."""

import re
import warnings

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import fastlr

project = "fastlr"
version = release = fastlr.__version__
project_copyright = "the fastlr developers"

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "examples"]
myst_heading_anchors = 3
default_role = "code"                           # single backticks, as docstrings have them

autodoc_member_order = "groupwise"
autodoc_typehints = "none"                      # the docstrings have the types, in words
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "fastlr"
html_context = {"default_mode": "auto"}     # light or dark, as the browser asks
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"start": [], "choose": [], "reference": [], "gallery/*": []}          # code needs the width
html_theme_options = {"navbar_align": "left", "show_toc_level": 2, "navigation_with_keys": False, "footer_start": ["copyright"],
                      "footer_end": [], "header_links_before_dropdown": 7}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
}
warnings.filterwarnings("ignore", category=fastlr.SeparationWarning)


def refuse_gaps(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn, which ends the build, if a public name is missing in the reference."""
    documented = set(env.get_domain("py").objects)
    public = [f"fastlr.{name}" for name in dir(fastlr) if not name.startswith("_")]
    for name in public:
        if not any(known == name or known.startswith(f"{name}.") for known in documented):
            logging.getLogger(__name__).warning("%s is public, and docs/reference.rst does not have it", name)


def as_restructured_text(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Set indented formulas as they stand, and escape the bars of |dw_j| and the last underscore of lambda_ outside of code."""
    given, lines[:], previous, is_formula = lines[:], [], " ", False
    for line in given:
        is_formula = is_formula and line[:1] in ("", " ")
        if line.startswith("    ") and not lines[-1] and not previous.startswith((" ", ">>>")):     # indented, after a blank line
            lines += ["::", ""]
            is_formula = True
        is_code = is_formula or line.lstrip().startswith((">>>", "..."))
        lines.append(line if is_code else
                     re.sub(r"(`[^`]*`)|(\||(?<=\w)_(?!\w| :))", lambda found: found[1] or f"\\{found[2]}", line))
        previous = line or previous


def as_arrows(app: Sphinx, doctree: nodes.document) -> None:
    """Set a picture in Mermaid's language, which GitHub draws, as one line for each arrow."""
    for picture in doctree.findall(nodes.literal_block):
        if picture.get("language") == "mermaid":
            names = dict(re.findall(r'(\w+)\["(.+)"\]', picture.astext()))
            arrows = re.findall(r"(\w+) --> (\w+)", picture.astext())
            picture.rawsource = "\n".join(f"{names[start]:12} -> {names[end]}" for start, end in arrows)
            picture[:] = [nodes.Text(picture.rawsource)]
            picture["language"] = "text"


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", as_arrows)
    app.connect("env-check-consistency", refuse_gaps)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)           # before numpydoc
