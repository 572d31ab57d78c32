"""Calls the readers of a script, in an environment that has the programs whose readers they are.

    python call_readers.py SCRIPT.py '[["READER", ["ARGUMENT", ...], "OUTPUT.npz"], ...]'

The script has ``READERS``, functions by name that give arrays by name. All in one process, because
the programs take seconds to import. What fails is said on standard error, and has no output.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback

import numpy as np

if __name__ == "__main__":
    _, script, calls = sys.argv
    readers = runpy.run_path(script)["READERS"]
    for reader, arguments, output in json.loads(calls):
        try:
            np.savez(output, **readers[reader](*arguments))
        except Exception:
            print(reader, *arguments, traceback.format_exc(), file=sys.stderr)
