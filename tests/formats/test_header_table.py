from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import read_config, write_config
from napari_vitface.formats.table_files import read_header_table, table_bytes

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    min_size=1,
    max_size=9,
).filter(lambda text: text.strip() == text and text.lower() not in ("nan", "scorer", ""))


def labels(levels: int, names: list[str], count: int, animal: str | None) -> pd.DataFrame:
    """A table as DeepLabCut makes it."""
    parts: list[list[str]] = [["A B"], names, ["x", "y"]]
    level_names = ["scorer", "bodyparts", "coords"]
    if animal is not None:
        parts.insert(1, [animal])
        level_names.insert(1, "individuals")
    rows = [("labeled-data", "cam 1", f"img{i:04d}.png") for i in range(count)]
    values = np.random.default_rng(count).normal(300, 200, (count, 2 * len(names)))
    values[::3, :2] = np.nan
    index: Any = pd.MultiIndex.from_tuples(rows) if levels == 3 else ["/".join(row) for row in rows]
    columns = pd.MultiIndex.from_product(parts, names=level_names)
    return pd.DataFrame(values, index=index, columns=columns)


@pytest.mark.parametrize("suffix", [".csv", ".h5"])
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("animal", [None, "mouse 1"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(texts, min_size=1, max_size=4, unique=True), count=st.integers(1, 6))
def test_a_table_that_is_read_and_written_is_what_pandas_wrote(
    tmp_path: Path, suffix: str, levels: int, animal: str | None, names: list[str], count: int
) -> None:
    frame = labels(levels, names, count, animal)
    path = tmp_path / f"CollectedData_A B{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, lineterminator="\n")
    else:
        frame.to_hdf(path, key="df_with_missing", mode="w")
    table = read_header_table(path)
    written = table_bytes(table)
    if suffix == ".csv":
        assert written == path.read_bytes()
    else:
        path.write_bytes(written)
        pd.testing.assert_frame_equal(pd.read_hdf(path), frame, check_exact=True)


@pytest.mark.parametrize("suffix", [".csv", ".h5"])
@pytest.mark.parametrize("levels", [1, 3])
def test_a_table_without_rows_stays_one(tmp_path: Path, suffix: str, levels: int) -> None:
    path = tmp_path / f"CollectedData_A{suffix}"
    frame = labels(levels, ["nose"], 2, None).iloc[:0]
    if suffix == ".csv":
        frame.to_csv(path)
    else:
        frame.to_hdf(path, key="df_with_missing", mode="w")
    table = read_header_table(path)
    path.write_bytes(table_bytes(table))
    again = read_header_table(path)
    assert again.columns == table.columns == list(frame.columns)
    assert len(again.index) == 0


def test_names_of_row_labels_stay(tmp_path: Path) -> None:
    frame = labels(3, ["nose", "ear"], 3, None)
    frame.index.names = ["folder", "video", "image"]
    for suffix in (".csv", ".h5"):
        path = tmp_path / f"labels{suffix}"
        if suffix == ".csv":
            frame.to_csv(path, lineterminator="\n")
        else:
            frame.to_hdf(path, key="df_with_missing", mode="w")
        table = read_header_table(path)
        assert table.index_names == ("folder", "video", "image")
        if suffix == ".csv":
            assert table_bytes(table) == path.read_bytes()
        else:
            path.write_bytes(table_bytes(table))
            pd.testing.assert_frame_equal(pd.read_hdf(path), frame)


def test_the_real_labels_are_written_as_they_are(real_data: Path) -> None:
    folder = real_data / "mouse_face" / "labeled-data" / "cam1_G7c1_1"
    csv_file = folder / "CollectedData_AVS.csv"
    assert table_bytes(read_header_table(csv_file)) == csv_file.read_bytes()


# --- config.yaml ----------------------------------------------------------------------------------

CONFIG = """\
    # Project definitions (do not edit)
Task: face
scorer: "Ann B"
date: Nov25

    # Where it is
project_path: /data/face
video_sets:
  /data/face/videos/a rather long path/{long}/mouse one.mp4:
    crop: 0, 640, 0, 480
bodyparts:
- nose tip
- ear   # the left one

unknown_to_us: {{a: [1, 2]}}
skeleton: []
TrainingFraction: [0.95]
"""


def test_comments_order_and_unknown_keys_of_a_config_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    content = CONFIG.format(long="x" * 200)
    path.write_text(content, encoding="utf-8")
    data = read_config(path)
    assert data["bodyparts"] == ["nose tip", "ear"]
    write_config(path, data)
    assert path.read_text(encoding="utf-8") == content
    data["bodyparts"].append("né")
    write_config(path, data)
    text = path.read_text(encoding="utf-8")
    assert "- né\n" in text
    assert "# the left one" in text
    assert "unknown_to_us: {a: [1, 2]}" in text


# --- what spreadsheets make of tables -------------------------------------------------------------

SHEET = "scorer,A,A,A\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1.5,2,0.9\n1,3,4,0.8\n"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (SHEET.replace(",", ";"), "has semicolons between its cells"),
        (SHEET.replace(",", ";").replace(".", ","), "has semicolons between its cells"),
        (SHEET.replace(",", "\t"), "has tabs between its cells"),
        (SHEET.replace("1.5", '"1,5"'), r"has decimal commas \(1,5\)"),
    ],
)
def test_the_sentence_names_what_a_spreadsheet_did(
    tmp_path: Path, content: str, cause: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(content)
    with pytest.raises(LabelError, match=cause):
        read_header_table(file)


@pytest.mark.parametrize(
    ("encoding", "cause"),
    [("utf-16", "it is in UTF-16"), ("cp1252", "its encoding is another one")],
)
def test_the_sentence_names_the_encoding(tmp_path: Path, encoding: str, cause: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(SHEET.replace("A", "Zoë").encode(encoding))
    with pytest.raises(LabelError, match=cause):
        read_header_table(file)


def test_blanks_after_commas_and_capitals_in_the_header_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(SHEET.replace(",", ", ").replace("scorer", "Scorer"))
    table = read_header_table(file)
    assert table.columns[0] == ("A", "nose", "x")
    assert table.values[0].tolist() == [1.5, 2, 0.9]
    assert table.index[:, 0].tolist() == [0, 1]
