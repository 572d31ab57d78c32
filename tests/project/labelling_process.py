"""A process that labels and saves until it is killed; started by `test_killed.py`.

Reads lines ``<project>\t<log>\t<seed>`` and forks a child for each, which saves the time that the
imports take. The child writes to its log what it is about to do and that it has done it.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import h5py  # noqa: F401 (what opening and saving import, once for all children)
import numpy as np
import pandas as pd  # noqa: F401
import PIL.PngImagePlugin  # noqa: F401
import ruamel.yaml  # noqa: F401
import tables  # noqa: F401

from napari_vitface.pose.edits import LabelEdit, make_edit
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, Point, labelled, occluded
from napari_vitface.project.project import Project


def label_for_ever(project: str, log: str, seed: int) -> None:
    chance = random.Random(seed)
    with Path(log).open("ab", buffering=0) as file:

        def say(line: object) -> None:
            file.write(json.dumps(line).encode() + b"\n")

        opened = Project.open(project)
        document = opened.document("mouse 1", lambda f: np.full((6, 8), f % 256, np.uint8))
        say("open")
        while True:
            what = chance.choices(["do", "undo", "redo", "save", "open"], [10, 4, 3, 3, 1])[0]
            history = document.history
            if what == "do":
                edit = make_edit(document.labels, "place", some_points(chance))
                if edit is None:
                    continue
                say(["change", edit.to_json()["changes"]])
                document.do(edit)
            elif what == "undo" and history.can_undo:
                edit = history.done[-1]
                assert isinstance(edit, LabelEdit)
                say(["change", edit.inverse().to_json()["changes"]])
                document.undo()
            elif what == "redo" and history.can_redo:
                edit = history.undone[-1]
                assert isinstance(edit, LabelEdit)
                say(["change", edit.to_json()["changes"]])
                document.redo()
            elif what == "save":
                document.save()
                say("saved")
            elif what == "open":
                document.close()
                document = opened.document("mouse 1", document.frame_reader)
            say("done")


def some_points(chance: random.Random) -> dict[tuple[int, int], Point]:
    def point() -> Point:
        x, y = chance.uniform(0, 640), chance.uniform(0, 480)
        return chance.choice([labelled(x, y), labelled(x, y), occluded(x, y), NOT_VISIBLE, ABSENT])

    count = chance.randint(1, 4)
    return {(chance.randint(0, 30), chance.randint(0, 2)): point() for _ in range(count)}


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        project, log, seed = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            try:
                label_for_ever(project, log, int(seed))
            finally:
                os._exit(1)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main()
