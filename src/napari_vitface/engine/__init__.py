"""The process that owns torch, and how the rest of the program speaks to it.

Only the client side is imported here; it needs neither torch nor Qt. ``python -m
napari_vitface.engine`` is the other side (`worker`).
"""

from napari_vitface.engine.client import Engine
from napari_vitface.engine.connection import Request

__all__ = ["Engine", "Request"]
