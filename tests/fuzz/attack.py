"""A process that reads damaged files until it is done, or one of them ends it.

``python -m fuzz.attack FIRST LAST NAME...`` reads the mutations FIRST to LAST - 1 of some readers
and writes lines of JSON: before each file which it is, after it what came of it. What it may take
is bounded: memory (`RLIMIT_DATA`, on top of what it has before the first file) and processor time
for a file, which a busy computer does not eat up.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from napari_vitface.errors import VitFaceError

from .readers import READERS, Reader, fresh

#: Bytes that reading a damaged file of some kilobytes may take: some frames of 8192 x 8192.
MEMORY = 768 << 20
#: Seconds of processor time for a file.
SECONDS = 10.0
#: As long as a sentence may be. File names of 255 bytes are in it.
LONGEST = 1500


def main() -> None:
    first, last = int(sys.argv[1]), int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # What libraries print about damaged files.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    warnings.simplefilter("ignore")
    by_name = {reader.name: reader for reader in READERS}
    for name in sys.argv[3:]:
        with tempfile.TemporaryDirectory() as place:
            for line in attack(by_name[name], range(first, last), Path(place)):
                answers.write(json.dumps({"reader": name, **line}) + "\n")
        first = 0
    answers.flush()
    os._exit(0)


def attack(reader: Reader, numbers: range, place: Path) -> Iterator[dict[str, object]]:
    """Read mutations of a reader's file in a folder of its own."""
    sound, folder = place / "sound", place / "tried"
    sound.mkdir()
    reader.make(sound)
    content = (sound / reader.file).read_bytes()
    # What is imported, made and cached once does not count as taken for a file.
    fresh(sound, folder)
    reader.read(folder / reader.file)
    _bound_memory()
    for number in numbers:
        fresh(sound, folder)
        damaged = reader.mutate(random.Random(f"{reader.name} {number}"), content)
        (folder / reader.file).write_bytes(damaged)
        yield {"number": number}
        yield {"number": number, **_try(reader, folder)}


def _try(reader: Reader, folder: Path) -> dict[str, object]:
    """What came of it: ``read``, ``sentence`` or ``traceback``; and the memory it took in MiB."""
    before = _peak(reset=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    outcome, detail = "read", ""
    try:
        reader.read(folder / reader.file)
    except VitFaceError as error:
        detail = str(error)
        sentence = (
            detail.isprintable() and 0 < len(detail) < LONGEST and detail.endswith((".", ")", "?"))
        )
        outcome = "sentence" if sentence else "no sentence"
    except reader.refuses:
        outcome = "sentence"
    except BaseException:
        outcome, detail = "traceback", traceback.format_exc()[-3000:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    left = sorted(str(path) for path in folder.rglob(".*") if path.is_file())
    if left:
        outcome, detail = "left behind", ", ".join(left)
    return {"outcome": outcome, "detail": detail, "memory": max(0, _peak() - before) / 1024}


def _bound_memory() -> None:
    used = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmData")
    )
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, resource.RLIM_INFINITY))


def _peak(reset: bool = False) -> int:
    """Most memory in use, in KiB, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )


if __name__ == "__main__":
    main()
