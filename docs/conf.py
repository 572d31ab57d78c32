"""Sphinx settings; built by ``tox run -e docs`` with warnings as errors."""

from importlib.metadata import version as installed_version

project = "napari-vitface"
author = "The napari-vitface developers"
copyright = f"2026, {author}"
release = version = installed_version("napari-vitface")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
language = "en_GB"
nitpicky = False

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"napari-vitface {release}"
