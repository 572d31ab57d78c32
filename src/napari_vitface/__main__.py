"""``python -m napari_vitface``: the same as the command ``napari-vitface``."""

import sys

from napari_vitface.cli import main

if __name__ == "__main__":
    sys.exit(main())
