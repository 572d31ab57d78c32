"""Reading pandas' HDF5 files: the same as pandas reads, but never a pickle."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.formats.pandas_hdf import read_hdf_frame
from napari_vitface.formats.poses import read_poses
from napari_vitface.formats.predictions import Choice
from napari_vitface.project.label_reading import read_labels

LEVELS = ["scorer", "bodyparts", "coords"]


def predictions(
    dtype: str = "float64", names: tuple[str, ...] = ("nose tip", "né 鼠")
) -> pd.DataFrame:
    columns = pd.MultiIndex.from_product([["A"], names, ["x", "y", "likelihood"]], names=LEVELS)
    values = np.random.default_rng(0).uniform(0, 1, (5, len(columns)))
    values[2, :2] = np.nan
    return pd.DataFrame(values.astype(dtype), index=[0, 1, 5, 6, 1000], columns=columns)


def labels() -> pd.DataFrame:
    table = predictions().drop(columns="likelihood", level="coords")
    rows = [("labeled-data", "cam1", f"img{i}.png") for i in range(5)]
    return table.set_index(pd.MultiIndex.from_tuples(rows))


def write(table: pd.DataFrame, path: Path, form: str) -> Path:
    table.to_hdf(path, key="df_with_missing", mode="w", format=form)
    return path


def assert_same(path: Path, expected: pd.DataFrame) -> None:
    frame = read_hdf_frame(path)
    assert frame.columns == list(expected.columns)
    assert frame.level_names == tuple(expected.columns.names)
    rows = [row if isinstance(row, tuple) else (row,) for row in expected.index]
    assert [tuple(row) for row in frame.index.tolist()] == rows
    np.testing.assert_array_equal(frame.values, expected.to_numpy())


def compressed(path: Path, data: bytes | None = None, **how: Any) -> Path:
    """The table of a file compressed; with `data` as what is stored of it."""
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        rows, attributes = group["table"][()], dict(group["table"].attrs)
        del group["table"]
        table = group.create_dataset("table", data=rows, chunks=rows.shape, **how)
        table.attrs.update(attributes)
        if data is not None:
            table.id.write_direct_chunk((0,), data)
    return path


# --- the same as pandas ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["fixed", "table"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_in_both_formats(tmp_path: Path, form: str, dtype: str) -> None:
    table = predictions(dtype)
    path = write(table, tmp_path / "p.h5", form)
    assert_same(path, table)
    assert read_hdf_frame(path).values.dtype == dtype


@pytest.mark.parametrize("how", [{}, {"shuffle": True}, {"shuffle": True, "fletcher32": True}])
def test_what_is_compressed_by_gzip(tmp_path: Path, how: dict[str, Any]) -> None:
    path = compressed(write(predictions(), tmp_path / "p.h5", "table"), compression="gzip", **how)
    assert_same(path, predictions())


def test_a_compressed_piece_that_inflates_beyond_its_rows_is_refused(tmp_path: Path) -> None:
    data = zlib.compress(bytes(100 << 20))
    path = write(predictions(), tmp_path / "p.h5", "table")
    with pytest.raises(LabelError, match="a compressed piece of it is damaged"):
        read_hdf_frame(compressed(path, data, compression="gzip"))
    with pytest.raises(LabelError, match="in another way than gzip"):
        read_hdf_frame(compressed(path, compression="lzf"))


def test_labels_with_rows_of_three_levels(tmp_path: Path) -> None:
    assert_same(write(labels(), tmp_path / "l.h5", "fixed"), labels())


def test_a_missing_row_label_is_empty(tmp_path: Path) -> None:
    rows = [(np.nan if i == 2 else "labeled-data", "cam1", f"img{i}.png") for i in range(5)]
    table = labels().set_index(pd.MultiIndex.from_tuples(rows))
    frame = read_hdf_frame(write(table, tmp_path / "l.h5", "fixed"))
    assert frame.index[:, 0].tolist() == ["labeled-data"] * 2 + [""] + ["labeled-data"] * 2


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_labels_with_rows_of_one_level(tmp_path: Path, form: str) -> None:
    table = labels()
    table.index = pd.Index(["/".join(row) for row in table.index])
    assert_same(write(table, tmp_path / "l.h5", form), table)


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_columns_of_several_types(tmp_path: Path, form: str) -> None:
    table = predictions()
    table["A", "nose tip", "y"] = np.arange(5)
    assert_same(write(table, tmp_path / "m.h5", form), table)


def test_a_table_without_rows(tmp_path: Path) -> None:
    table = predictions().iloc[:0]
    assert_same(write(table, tmp_path / "e.h5", "fixed"), table)


@pytest.mark.parametrize("form", ["fixed", "table"])
def test_many_columns(tmp_path: Path, form: str) -> None:
    # More labels than the one-byte codes and memo numbers of small tables.
    table = predictions(names=tuple(f"point {i}" for i in range(150)))
    assert_same(write(table, tmp_path / "w.h5", form), table)


names = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12
    ).filter(lambda name: bool(name.strip()) and name != "nan"),
    min_size=1,
    max_size=4,
    unique=True,
)


@settings(max_examples=25)
@given(names=names, form=st.sampled_from(["fixed", "table"]))
def test_any_names(tmp_path_factory: pytest.TempPathFactory, names: list[str], form: str) -> None:
    table = predictions(names=tuple(names))
    assert_same(write(table, tmp_path_factory.mktemp("any") / "n.h5", form), table)


def test_deeplabcut_s_own_file(real_data: Path) -> None:
    folder = real_data / "mouse_face" / "labeled-data" / "cam1_G7c1_1"
    path = folder / "CollectedData_AVS.h5"
    assert_same(path, pd.read_hdf(path))


# --- never a pickle -------------------------------------------------------------------------------


def payload(marker: Path) -> np.bytes_:
    """A pickle that makes a file when it is loaded: ``open(marker, "w")``."""
    return np.bytes_(b"cbuiltins\nopen\n(V" + str(marker).encode() + b"\nVw\ntR.")


@pytest.mark.parametrize(
    ("place", "attribute", "form"),
    [
        ("df_with_missing", "info", "table"),
        ("df_with_missing", "non_index_axes", "table"),
        ("df_with_missing", "values_cols", "table"),
        ("df_with_missing", "nan_rep", "table"),
        ("df_with_missing", "encoding", "table"),
        ("df_with_missing/table", "values_block_0_kind", "table"),
        ("df_with_missing/table", "index_kind", "table"),
        ("df_with_missing", "axis0_variety", "fixed"),
        ("df_with_missing", "nblocks", "fixed"),
        ("df_with_missing/axis0_level1", "name", "fixed"),
        ("df_with_missing/axis0_level1", "kind", "fixed"),
        ("df_with_missing/axis1", "name", "fixed"),
        ("df_with_missing/block0_values", "shape", "fixed"),
    ],
)
def test_a_pickle_in_an_attribute_does_not_run(
    tmp_path: Path, place: str, attribute: str, form: str
) -> None:
    path = write(predictions(), tmp_path / "bad.h5", form)
    marker = tmp_path / "the pickle ran"
    with h5py.File(path, "r+") as file:
        file[place].attrs[attribute] = payload(marker)
    # What is in the file may still be read in full or be refused; nothing of it may run.
    with suppress(LabelError):
        read_poses(path)
    assert not marker.exists()


def test_the_pickle_of_these_tests_runs_in_pandas(tmp_path: Path) -> None:
    path = write(predictions(), tmp_path / "bad.h5", "table")
    marker = tmp_path / "the pickle ran"
    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs["nan_rep"] = payload(marker)
    with suppress(Exception):
        pd.read_hdf(path)
    assert marker.exists()


def test_a_refusal_says_why(tmp_path: Path) -> None:
    path = write(predictions(), tmp_path / "bad.h5", "table")
    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs["values_cols"] = payload(tmp_path / "ran")
    with pytest.raises(
        LabelError, match=r"bad\.h5 is not read because .* GLOBAL .* save .* as CSV"
    ):
        read_poses(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    table = predictions().astype(object)
    table["A", "nose tip", "x"] = [{"any": "object"}] * 5
    with pytest.warns(pd.errors.PerformanceWarning):
        path = write(table, tmp_path / "o.h5", "fixed")
    with pytest.raises(LabelError, match="holds pickled objects"):
        read_poses(path)


def test_labels_fall_back_to_the_csv_beside_a_file_that_is_refused(tmp_path: Path) -> None:
    table = labels()
    for _, _, image in table.index:
        (tmp_path / image).touch()
    path = write(table, tmp_path / "CollectedData_A.h5", "fixed")
    table.to_csv(tmp_path / "CollectedData_A.csv")
    marker = tmp_path / "the pickle ran"
    with h5py.File(path, "r+") as file:
        file["df_with_missing/axis0_level1"].attrs["kind"] = payload(marker)
    found = read_labels(tmp_path)
    np.testing.assert_array_equal(found.xy.reshape(5, 4), table.to_numpy())
    assert "is not read because" in found.problems[0]
    assert not marker.exists()


# --- files that are something else ----------------------------------------------------------------


def test_other_files_get_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(LabelError, match=r"text\.h5 cannot be read as a DeepLabCut HDF5 table"):
        read_poses(text)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(LabelError, match="holds no table that pandas wrote"):
        read_poses(tmp_path / "other.h5")
    with pytest.raises(LabelError, match="There is no file"):
        read_poses(tmp_path / "gone.h5")


def test_a_file_that_was_cut_off_gets_one_sentence(tmp_path: Path) -> None:
    path = write(predictions(), tmp_path / "cut.h5", "table")
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(LabelError, match=r"cut\.h5"):
            read_poses(path)


def test_of_several_tables_the_one_of_deeplabcut_counts(tmp_path: Path) -> None:
    path = tmp_path / "several.h5"
    (predictions() + 1).to_hdf(path, key="other", mode="w")
    assert_same(path, predictions() + 1)
    (predictions() + 2).to_hdf(path, key="third")
    with pytest.raises(LabelError, match=r"several tables \(other, third\)"):
        read_poses(path)
    predictions().to_hdf(path, key="df_with_missing")
    assert_same(path, predictions())
    other = read_hdf_frame(path, Choice(table="other"))
    np.testing.assert_array_equal(other.values, (predictions() + 1).to_numpy())


def test_compressed_tables_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame(np.zeros((5000, 6)), columns=predictions().columns)
    path = tmp_path / "p.h5"
    table.to_hdf(path, key="df_with_missing", mode="w", complevel=9, complib="zlib")
    assert path.stat().st_size < table.to_numpy().nbytes / 4
    assert len(read_poses(path).frames) == 5000


@pytest.mark.parametrize("form", ["csv", "fixed", "table"])
def test_frame_numbers_with_decimals_or_as_text_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("p.csv" if form == "csv" else "p.h5")

    def write_with(index: object) -> None:
        table = predictions().set_index(pd.Index(index))
        table.to_csv(path) if form == "csv" else write(table, path, form)

    for index in (np.arange(5.0), [str(frame) for frame in range(5)], [f"{i}.0" for i in range(5)]):
        write_with(index)
        assert read_poses(path).frames.tolist() == list(range(5))
    write_with(np.arange(5) + 0.5)
    with pytest.raises(LabelError, match=r"numbered with fractions|are not frame numbers"):
        read_poses(path)


@pytest.mark.parametrize("form", ["fixed", "table"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_shape_that_the_file_does_not_hold_is_refused(
    tmp_path: Path, form: str, compression: str | None
) -> None:
    path = write(predictions(), tmp_path / "p.h5", form)
    name = "df_with_missing/table" if form == "table" else "df_with_missing/block0_values"
    with h5py.File(path, "r+") as file:
        found = file[name]
        attributes, dtype, shape = dict(found.attrs), found.dtype, found.shape
        del file[name]
        huge = file.create_dataset(
            name, (10**12, *shape[1:]), dtype, chunks=(64, *shape[1:]), compression=compression
        )
        huge.attrs.update(attributes)
        huge[:5] = np.zeros((5, *shape[1:]), dtype)
    with pytest.raises(LabelError, match="which the file cannot hold"):
        read_poses(path)
