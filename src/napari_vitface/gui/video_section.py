"""Section 1: open a video and see what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.errors import escaped, one_line
from napari_vitface.gui import file_drop as dropping
from napari_vitface.gui.eliding_box import ElidingComboBox
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.open_videos import open_for_window, opening
from napari_vitface.gui.section import Note, Section, WrappedLabel, row_of, set_look
from napari_vitface.gui.style import duration
from napari_vitface.gui.video_list.dock import open_video_list
from napari_vitface.gui.video_list.sentences import list_words
from napari_vitface.gui.wait_dialog import run_waiting
from napari_vitface.gui.white import is_deep
from napari_vitface.gui.workbench import Workbench
from napari_vitface.video import IMAGE_SUFFIXES, Video, video_suffixes


class VideoSection(Section):
    """Open a video, a folder of images or the sample; name, size, rate, problems, frame."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(1, "Video")
        self._session = session
        self.name = WrappedLabel("", "strong")
        self.others = ElidingComboBox()
        self.others.setToolTip("The videos that are open; the one chosen is on screen")
        self.others.activated.connect(self._on_chosen)
        self.facts = WrappedLabel("", "value")
        self.frame = WrappedLabel("", "hint")
        self.problems = Note()
        self.open_button = QPushButton("Open video…")
        self.open_button.setToolTip("Open a video file or an image stack")
        self.open_button.clicked.connect(lambda: self.choose_file())
        self.folder_button = QPushButton("Folder…")
        self.folder_button.setToolTip("Open a folder of images as one video")
        self.folder_button.clicked.connect(lambda: self.choose_folder())
        self.sample_button = QPushButton("Sample")
        self.sample_button.setToolTip("Open a rendered video of a mouse face, to try things out")
        self.sample_button.clicked.connect(lambda: self.open_sample())
        buttons = QHBoxLayout()
        buttons.setSpacing(5)
        for button, stretch in (
            (self.open_button, 3),
            (self.folder_button, 2),
            (self.sample_button, 2),
        ):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, stretch)
        self.add(self.name, self.others, self.facts)
        self.white = WhiteRow(session)
        self.add(self.white, self.frame, self.problems, buttons)
        self.list_button = QPushButton("Several videos…")
        self.list_button.setToolTip("A list of videos and folders that are predicted one by one")
        self.list_button.clicked.connect(lambda: open_video_list(session))
        self.list_state = WrappedLabel("", "hint")
        self.add(self.list_button, self.list_state)
        session.video_list.changed.connect(self._on_list)
        self._on_list()
        self.question = DroppingQuestion()
        self.add(self.question)
        self.dropped = QCheckBox("Open dropped videos here")
        self.dropped.setToolTip(
            "Videos that are dropped on napari's canvas, or named when it is started, are opened "
            "with ViT Face; otherwise napari asks which reader to use (Preferences > Plugins)"
        )
        self.dropped.toggled.connect(dropping.open_dropped)
        self.question.answered.connect(self.refresh_dropping)
        self.add(self.dropped)
        session.video_changed.connect(self._on_video)
        session.frame_changed.connect(self._on_frame)
        self._on_video()

    def choose_file(self) -> None:
        """Ask for a file and open it."""
        videos = " ".join(f"*{suffix}" for suffix in video_suffixes())
        images = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self,
            "Open video",
            self._session.folder,
            f"Videos ({videos});;Image stacks and images ({images});;All files (*)",
        )
        if path:
            self.open(path)

    def choose_folder(self) -> None:
        """Ask for a folder of images and open it."""
        path = QFileDialog.getExistingDirectory(self, "Open images", self._session.folder)
        if path:
            self.open(path)

    def open(self, path: str | Path) -> OpenVideo | None:
        """Open a video and show it; if it cannot be read, say why in this section."""
        return self._open(lambda: open_for_window(path), opening(path))

    def open_sample(self) -> OpenVideo | None:
        """Open the rendered sample, made on first use."""
        from napari_vitface.gui.sample_data import DRAWING, sample_video

        return self._open(lambda: open_for_window(sample_video()), DRAWING)

    def _open(self, work: Callable[[], Video], message: str) -> OpenVideo | None:
        try:
            return self._session.add_video(run_waiting(work, message))
        except Exception as error:
            # Whatever a file does to a library: a sentence here, and nothing else is lost.
            self.problems.say(sentence_of("opening the video", error), "error")
            return None

    def _on_list(self) -> None:
        self.list_state.setText(list_words(self._session.video_list))

    def _on_chosen(self, index: int) -> None:
        self._session.videos.show(self.others.itemData(index))

    def _list_videos(self) -> None:
        """Offer the open videos, if there are several, in place of the name of the only one."""
        videos = list(self._session.videos)
        self.others.clear()
        for opened in videos:
            self.others.addItem(escaped(opened.label), opened)
            self.others.setItemData(
                self.others.count() - 1, str(opened.path), Qt.ItemDataRole.ToolTipRole
            )
            if opened is self._session.current:
                self.others.setCurrentIndex(self.others.count() - 1)
        self.others.setVisible(len(videos) > 1)

    def _on_video(self) -> None:
        self._list_videos()
        self.refresh_dropping()
        self.white.refresh()
        if self._session.made.waiting:
            self._show_nothing()
        self._show_video()

    def _show_nothing(self) -> None:
        for line in (self.name, self.facts, self.frame):
            line.setText("")
        self.problems.say("")
        self.hint.setText("Open a video of a mouse's face, or drop one here.")
        self.status = ""
        set_look(self.open_button, "primary")

    @on_video
    def _show_video(self, opened: OpenVideo) -> None:
        video = opened.video
        self.hint.setText("")
        same_name = opened.label.startswith(opened.path.name)
        self.name.setText(opened.label if same_name else opened.path.name)
        self.name.setToolTip(str(opened.path))
        self.facts.setText(facts(video))
        self.problems.say("\n".join(map(one_line, video.problems)))
        self.status = counted(len(video), "frame")
        set_look(self.open_button, "")
        self._on_frame(self._session.frame)

    def refresh_dropping(self) -> None:
        """Ask once; the answer can be changed while nothing is open."""
        nothing_open = bool(self._session.made.waiting)
        asks = nothing_open and dropping.is_open_question()
        self.question.setVisible(asks)
        self.dropped.blockSignals(True)
        self.dropped.setChecked(dropping.opens_dropped())
        self.dropped.blockSignals(False)
        self.dropped.setVisible(nothing_open and not asks)

    @on_video
    def _on_frame(self, opened: OpenVideo, frame: int) -> None:
        last = len(opened.video) - 1
        if self._session.videos.beyond:
            self.frame.setText(f"No frame here: the video has frames 0–{last}.")
            return
        text = f"Frame {frame} of 0–{last}"
        if opened.video.frame_rate > 0:
            text += f"  ·  {float(opened.video.times[frame]):.3f} s"
        self.frame.setText(text)


class WhiteRow(QWidget):
    """Which value is white in a recording of more than 8 bits, and where that is known from."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.value = QSpinBox()
        self.value.setRange(1, 65535)
        self.value.setPrefix("White: ")
        self.value.setKeyboardTracking(False)
        self.value.setToolTip(
            "The value that is white, on screen and for models; 4095 for 12 bits. In a project it "
            "holds for the labelled images of this recording too"
        )
        self.value.valueChanged.connect(session.white.set)
        self.reset_button = QPushButton("From the data")
        self.reset_button.setToolTip("Take what the file says, or what its brightest frames need")
        self.reset_button.clicked.connect(lambda: session.white.set(None))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addWidget(self.value, 1)
        layout.addWidget(self.reset_button)
        session.white.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the level of the current video; nothing for one of 8 bits."""
        self.setVisible(bool(self._show_level()))

    @on_video
    def _show_level(self, opened: OpenVideo) -> bool:
        if not is_deep(opened.video):
            return False
        self.value.blockSignals(True)
        self.value.setValue(opened.video.white)
        self.value.setSuffix(" (from the data)" if opened.white is None else " (set)")
        self.value.blockSignals(False)
        self.reset_button.setVisible(opened.white is not None)
        return True


class DroppingQuestion(QWidget):
    """Asks once whether videos dropped on the canvas are to be opened with ViT Face."""

    answered = Signal()

    def __init__(self) -> None:
        super().__init__()
        words = WrappedLabel(
            "napari asks which reader to use for each video dropped on its canvas. Always use ViT "
            "Face for videos?",
            "value",
        )
        self.yes_button, self.no_button = QPushButton("Always"), QPushButton("Ask each time")
        self.yes_button.setToolTip("Changes napari's preferences for readers; can be undone here")
        self.yes_button.clicked.connect(lambda: self._answer(True))
        self.no_button.clicked.connect(lambda: self._answer(False))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(words)
        layout.addWidget(row_of(self.yes_button, self.no_button))

    def _answer(self, always: bool) -> None:
        dropping.open_dropped(always)
        self.answered.emit()


def facts(video: Video) -> str:
    """Size, frames, rate and length of a video in one line."""
    height, width = video.shape[1:3]
    parts = [f"{width} × {height} px", counted(len(video), "frame")]
    if video.frame_rate > 0:
        parts.append(f"{video.frame_rate:.4g} fps")
        seconds = len(video) / video.frame_rate
        parts.append(duration(seconds) if seconds >= 60 else f"{seconds:.3g} s")
    if video.dtype.itemsize > 1:
        parts.append(f"{video.dtype.itemsize * 8} bit")
    return "  ·  ".join(parts)
