"""Beside the list: where its job runs, and what the workers of a cluster do."""

from __future__ import annotations

import html
import os

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QInputDialog, QLabel, QWidget

from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import set_role
from napari_vitface.gui.video_list.cluster_work import ClusterWork
from napari_vitface.gui.video_list.kinds import Settings, cluster_words
from napari_vitface.gui.video_list.queue import VideoQueue

_HERE = "this computer, one by one"
_SCHEDULER = "a Dask scheduler…"
_QUEUE = "a queue (SLURM, PBS, …)…"
_HELP = (
    "What works on the videos: this computer, one after the other or in several processes, a Dask "
    "scheduler that runs, or jobs of a queue by a file of dask-jobqueue's settings. On a cluster "
    "the run goes on when napari is closed, and is found again."
)


class ClusterChoice(QComboBox):
    """Chooses a cluster, as ``--cluster`` takes it; empty for this napari's own engine."""

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(_HELP)
        self.addItem(_HERE, "")
        self._offer(f"local:{os.cpu_count() or 2}")
        self.insertSeparator(self.count())
        self.addItem(_SCHEDULER)
        self.addItem(_QUEUE)
        self._last = 0
        self.activated.connect(lambda _: self._on_activated())

    @property
    def cluster(self) -> str:
        """What is chosen."""
        return str(self.currentData() or "")

    def choose(self, cluster: str) -> None:
        """Show a choice that was made before."""
        if self.findData(cluster) < 0:
            self._offer(cluster)
        self._last = self.findData(cluster)
        self.setCurrentIndex(self._last)

    def _offer(self, cluster: str) -> None:
        # Above the line, below which stand those that ask.
        words = cluster_words(cluster)
        if cluster.startswith("local:"):
            words = f"this computer, {words}"
        self.insertItem(min(self.count(), max(self.count() - 3, 1)), words, cluster)

    def _on_activated(self) -> None:
        if self.currentText() == _SCHEDULER:
            self._take(self._ask_for_scheduler())
        elif self.currentText() == _QUEUE:
            self._take(self._ask_for_file())
        else:
            self._last = self.currentIndex()
        self.chosen.emit()

    def _take(self, cluster: str) -> None:
        if cluster:
            self.choose(cluster)
        else:
            self.setCurrentIndex(self._last)

    def _ask_for_scheduler(self) -> str:
        text, ok = QInputDialog.getText(
            self, "A Dask scheduler", "Its address, as it prints it:", text="tcp://"
        )
        return text.strip() if ok and text.strip() != "tcp://" else ""

    def _ask_for_file(self) -> str:
        path, _ = QFileDialog.getOpenFileName(
            self, "Settings of a queue", "", "Settings of dask-jobqueue (*.yaml *.yml)"
        )
        return path


class ClusterLine(QLabel):
    """Says in a line what the workers do, with a link to Dask's own page about them."""

    def __init__(self, work: ClusterWork) -> None:
        super().__init__()
        self._work = work
        set_role(self, "hint")
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setOpenExternalLinks(True)
        self.refresh()

    def refresh(self) -> None:
        """Bring the line up to date with the run."""
        work = self._work
        self.setVisible(work.active)
        parts = [work.doing + " …"] if work.doing else []
        if work.workers:
            known = [each.frames_per_second for each in work.workers if each.frames_per_second]
            parts.append(counted(len(work.workers), "worker"))
            if known:
                parts.append(f"{sum(known):.3g} frames/s")
        said = "  ·  ".join(map(html.escape, parts))
        if work.dashboard:
            link = html.escape(work.dashboard, quote=True)
            # Qt's own blue cannot be read on a dark ground.
            colour = self.palette().windowText().color().name()
            said += f'  ·  <a href="{link}" style="color: {colour}">Dask\'s page</a>'
        self.setText(said)
        self.setToolTip(
            "\n".join(
                f"{each.host} ({each.address}): "
                + (f"{each.frames_per_second:.3g} frames/s" if each.frames_per_second else "…")
                for each in work.workers
            )
        )


class ClusterRow(QWidget):
    """The choice with its label, and before it what the workers do.

    `chosen` is emitted when the user chose.
    """

    chosen = Signal()

    def __init__(self, queue: VideoQueue) -> None:
        super().__init__()
        self._queue = queue
        self.choice = ClusterChoice()
        self.choice.chosen.connect(lambda: self._on_chosen())
        self.workers = ClusterLine(queue.cluster)
        self._label = QLabel("Runs on")
        set_role(self._label, "hint")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for widget in (self.workers, self._label, self.choice):
            layout.addWidget(widget)

    @property
    def settings(self) -> Settings:
        """What is chosen, for the jobs that can run on a cluster."""
        cluster = self.choice.cluster
        return {"cluster": cluster} if cluster and self._queue.kind.command is not None else {}

    def refresh(self) -> None:
        """Bring it up to date with the list."""
        self.workers.refresh()
        self.choice.setEnabled(not self._queue.going)
        for widget in (self._label, self.choice):
            widget.setVisible(self._queue.kind.command is not None)

    def _on_chosen(self) -> None:
        if self._queue.interrupted:
            self._queue.settings["cluster"] = self.choice.cluster
        self.chosen.emit()
