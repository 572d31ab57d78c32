"""Renaming and appending keypoints in a whole project, safe against a crash in the middle.

An intent file says what is to become of the keypoints and, for each table, which names its columns
have now. Then the journals note the new names, the tables are rewritten one by one, each in one
step, then ``config.yaml``; last the intent goes. While it is there, opening the project and saving
labels first do again whatever is not done yet. A table whose columns have the new names in the
right order is done; the order matters because two keypoints may take each other's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError
from napari_vitface.formats.header_table import HeaderTable
from napari_vitface.formats.inside import check_inside
from napari_vitface.formats.settings import Settings, read_settings
from napari_vitface.formats.table_files import read_header_table, table_bytes
from napari_vitface.lock import FileLock
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.project import project_config
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.journal import Journal
from napari_vitface.project.journal_names import journal_paths
from napari_vitface.project.project_lock import lock_labels

_INTENT = "keypoints-change.json"


@dataclass(frozen=True)
class Target:
    """What is to be changed.

    Attributes
    ----------
    settings : Settings
        Of the project.
    tables : list of Path
        Of all videos and scorers.
    """

    settings: Settings
    tables: list[Path]

    @property
    def folder(self) -> Path:
        """The project."""
        return self.settings.folder

    @property
    def intent(self) -> Path:
        return self.folder / "vitface" / _INTENT


def change(
    target: Target,
    old: KeypointSet,
    new: KeypointSet,
    renames: Mapping[str, str],
    documents: Sequence[LabelDocument],
) -> None:
    """See `Project.change_keypoints`."""
    _check(target, old, new, renames)
    check_inside(target.folder, target.intent, *target.tables)
    try:
        target.intent.parent.mkdir(exist_ok=True)
        if new.names == old.names:
            _write_settings(target.folder, new)
        else:
            with ExitStack() as held:
                # Nobody else may edit meanwhile: they would save under the old names.
                held.enter_context(_keypoints_locked(target.intent))
                journals = _journals(target.folder, documents, held)
                _write_intent(target, old, new, renames)
                # From here on it is decided, whether or not all of it can be written now.
                for document in documents:
                    document.rename_and_append(new)
                _carry_out(target.intent, journals)
    except OSError as error:
        later = ""
        if target.intent.is_file():
            later = " It is completed when the project is opened or saved next."
        raise LabelError(
            f"The change of the keypoints cannot be written to {target.folder} "
            f"({error.strerror or error}).{later}"
        ) from error
    if new.names == old.names:
        for document in documents:
            document.rename_and_append(new)


def finish(folder: Path, documents: Sequence[LabelDocument] = ()) -> tuple[str, ...]:
    """Complete a change that was cut short; sentences about what is odd.

    Raises
    ------
    LabelError
        If it still cannot be completed, or another process is at it.
    """
    intent = folder / "vitface" / _INTENT
    if not intent.is_file():
        return ()
    try:
        with ExitStack() as held:
            held.enter_context(_keypoints_locked(intent))
            if not intent.is_file():
                return ()
            return _carry_out(intent, _journals(folder, documents, held))
    except OSError as error:
        raise LabelError(
            f"A change of the keypoints of {folder} was cut short and cannot be completed "
            f"({error.strerror or error}): make room there or make it writable."
        ) from error


def _keypoints_locked(intent: Path) -> FileLock:
    return lock_labels(intent.with_suffix(".lock"), "the project's keypoints")


def _check(target: Target, old: KeypointSet, new: KeypointSet, renames: Mapping[str, str]) -> None:
    unknown = sorted(set(renames) - set(old.names))
    if unknown:
        raise LabelError(f"There is no keypoint {unknown[0]!r} to rename.")
    expected = tuple(renames.get(name, name) for name in old.names)
    if new.names[: len(old)] != expected:
        raise LabelError(
            "Keypoints can be renamed and added at the end; taking one away or changing their "
            "order would give labels to other keypoints."
        )
    if len(new) > len(old) and not project_config.can_append(target.settings.main):
        raise LabelError(
            "This project of several animals has keypoints of animals and of no animal; add "
            "keypoints to it in DeepLabCut."
        )


def _journals(folder: Path, documents: Sequence[LabelDocument], held: ExitStack) -> list[Journal]:
    """Every journal of the project, locked; `LabelError` if one is open in another process."""
    journals = [document.journal for document in documents]
    known = {journal.path for journal in journals}
    for path in journal_paths(folder / "vitface" / "journal"):
        if path in known:
            continue
        journal = Journal(path, f"the labels of {path.stem}")
        held.callback(journal.close)
        journals.append(journal)
    return journals


def _write_intent(
    target: Target, old: KeypointSet, new: KeypointSet, renames: Mapping[str, str]
) -> None:
    tables = {}
    for table in target.tables:
        # One that cannot be read stops the change before anything is touched.
        tables[str(table.relative_to(target.folder))] = _names(read_header_table(table))
    intent = {
        "old": list(old.names),
        "new": new.to_dict(),
        "renames": {name: after for name, after in renames.items() if name != after},
        "appended": list(new.names[len(old) :]),
        "tables": tables,
    }
    with atomic_write(target.intent) as temporary:
        temporary.write_text(json.dumps(intent), encoding="utf-8")


def _carry_out(path: Path, journals: Sequence[Journal]) -> tuple[str, ...]:
    """Do what the intent says and is not done yet."""
    folder = path.parent.parent
    try:
        intent = json.loads(path.read_text(encoding="utf-8"))
        new = KeypointSet.from_dict(intent["new"])
        old, tables = intent.get("old", []), intent["tables"]
        renames, appended = intent["renames"], intent["appended"]
        if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in tables):
            raise ValueError("it names tables outside the project")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise LabelError(f"{path} cannot be read ({error}): move it away.") from error
    for journal in journals:
        journal.note_keypoints(new.names)
    problems = []
    for name, before in tables.items():
        table_path = folder / name
        check_inside(folder, table_path)
        if not table_path.is_file():
            continue
        table = read_header_table(table_path)
        here = {part: renames[name] for part, name in match_names(before, old or [*renames]).items()
                if name in renames}  # fmt: skip
        after = [here.get(part, part) for part in before]
        known = match_names(after, [*appended]).values()
        after += [part for part in appended if part not in known]
        if _names(table) == after:
            continue
        if _names(table) != before:
            problems.append(
                f"Another program changed the columns of {table_path} while keypoints were being "
                "renamed; look through them."
            )
        with atomic_write(table_path) as temporary:
            temporary.write_bytes(table_bytes(_changed(table, here, after)))
    _write_settings(folder, new)
    path.unlink()
    return tuple(problems)


def _names(table: HeaderTable) -> list[str]:
    """The keypoints of a table, of all animals, in the order of the columns."""
    return list(dict.fromkeys(column[-2] for column in table.columns))


def _changed(table: HeaderTable, renames: dict[str, str], after: list[str]) -> HeaderTable:
    """The table with the new names, and empty columns for those of `after` that it lacks."""
    names = _names(table)
    if len({renames.get(name, name) for name in names}) < len(names):
        # Somebody added a column under a new name: two of one name would be worse than none.
        renames = {}
    columns = [
        (*column[:-2], renames.get(column[-2], column[-2]), column[-1]) for column in table.columns
    ]
    present = {column[-2] for column in columns}
    coords = dict.fromkeys(column[-1] for column in columns)
    new = [
        (*columns[0][:-2], name, coord)
        for name in after
        if name not in present and columns
        for coord in coords
    ]
    values = np.full((len(table.values), len(new)), np.nan)
    return replace(
        table,
        columns=[*columns, *new],
        values=np.concatenate([table.values, values], axis=1),
    )


def _write_settings(folder: Path, new: KeypointSet) -> None:
    settings = read_settings(folder)
    if not settings.configured:
        settings.own.setdefault("bodyparts", [])
    project_config.set_keypoints(settings, new)
    settings.write()
