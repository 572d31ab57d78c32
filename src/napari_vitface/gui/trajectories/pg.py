"""pyqtgraph, on the same Qt binding as everything else in the window."""

from __future__ import annotations

import os
import sys

import qtpy

if "pyqtgraph" not in sys.modules:
    # Left to itself it takes the first binding that is installed, which may be another one.
    os.environ["PYQTGRAPH_QT_LIB"] = qtpy.API_NAME

import pyqtgraph as pg

__all__ = ["pg"]
