"""The command ``napari-vitface``: the same jobs as the window, on a terminal or a server.

Exit status 0: done; 1: failed, with one sentence on standard error; 2: wrong arguments;
130: cancelled. Nothing here imports torch before a job needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from napari_vitface.cli.parser import parse
from napari_vitface.errors import VitFaceError

CANCELLED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    from napari_vitface.cli.report import Cancelled, Reporter

    reporter = Reporter(json_lines=getattr(arguments, "json", False))
    try:
        return arguments.handle(arguments, reporter) or 0
    except (Cancelled, KeyboardInterrupt):
        reporter.cancelled(arguments.command)
        return CANCELLED
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        sys.stderr.close()
        return 1
    except VitFaceError as error:
        reporter.failed(arguments.command, error, debug=arguments.debug)
        return 1
    except Exception as error:
        reporter.failed(arguments.command, error, debug=arguments.debug)
        return 1
