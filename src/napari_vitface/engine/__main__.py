"""``python -m napari_vitface.engine [PARENT_PID]``: the engine process."""

import os
import sys

from napari_vitface.engine.worker import main

if __name__ == "__main__":
    status = main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    sys.stderr.flush()
    # Straight out: libraries' clean-up at exit takes seconds and can hang; the files are closed.
    os._exit(status)
