"""Section 3: where the network looked, on the frame on screen."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_vitface.gui.attention.attention_settings import AttentionSettings
from napari_vitface.gui.attention.frames_form import AttentionFramesForm
from napari_vitface.gui.attention.grid_dock import NAME as GRID_NAME
from napari_vitface.gui.attention.grid_dock import AttentionGridDock
from napari_vitface.gui.attention.map_captions import describe_map, title_map
from napari_vitface.gui.attention.method_form import AttentionForm, combo, set_checked
from napari_vitface.gui.attention.patch_bars import Bar, PatchBars
from napari_vitface.gui.attention.target import TargetBox
from napari_vitface.gui.background_writing import save_as
from napari_vitface.gui.given import given
from napari_vitface.gui.layers import ALL_KEYPOINTS, EVEN, GLOBAL, AttentionPicture
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.plugin_docks import open_below
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import (
    Fold,
    Note,
    Section,
    WrappedLabel,
    beside,
    labelled_rows,
    row_of,
    set_property,
    set_role,
    tipped_button,
)
from napari_vitface.gui.settings_widgets import sentence
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.attention import METHODS

#: Milliseconds for which a layer is shown when the layers are played.
_BEAT = 450


class AttentionSection(Section):
    """On or off, of what, by which method; and exactly what is shown."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(3, "Attention")
        self._session = session
        self._follower = session.attention
        self.tools = session.attention_tools
        self.grid_dock: AttentionGridDock | None = None
        self._described: AttentionSettings | None = None
        self._beat = QTimer(self)
        self._beat.setInterval(_BEAT)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._list_targets()
        self.refresh()

    def _make_widgets(self) -> None:
        overlays = self._session.overlays
        self.switch = QCheckBox("Show where the network looks")
        self.target = TargetBox()
        self.method = combo({name: method.title for name, method in METHODS.items()})
        self.opacity = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0.0, 1.0)
        self.opacity.setDecimals(2)
        self.opacity.setValue(overlays.attention_opacity)
        self.play_button = tipped_button("▶ Layers", "Play the layers one after the other")
        self.grid_button = tipped_button(
            "Grid", "Many maps beside each other: keypoints, layers, models"
        )
        self.pick_button = tipped_button(
            "Pick a patch", "Click on a place in the video to see which keypoints look at it"
        )
        self.pick_button.setCheckable(True)
        set_role(self.pick_button, "toggle")
        self.check_button = tipped_button(
            "Does it explain?",
            "Blank what the map points at, and see whether the keypoint moves more than when "
            "random patches are blanked",
        )
        self.export_button = tipped_button("Export", "Write the map on screen to a file")
        self.export_menu = QMenu(self.export_button)
        for text, work in (
            ("Picture of this frame (PNG)…", lambda: self.ask_to_export(".png")),
            ("Maps as numbers (NPZ)…", lambda: self.ask_to_export(".npz")),
            ("Video with the map (MP4)…", lambda: self.ask_for_video()),
        ):
            self.export_menu.addAction(text).triggered.connect(lambda *_, work=work: work())
        self.export_button.setMenu(self.export_menu)
        self.mean_button = tipped_button(
            "Back to the frame's own map", "The mean is kept no longer"
        )
        self.checking = RunProgress(self.tools.check, "", "Stop the check")
        self.checked = Note()
        self.title_line = WrappedLabel("", "strong")
        self.label = WrappedLabel("", "value")
        self.problem = Note()
        self.bar = QProgressBar()
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stop_button = QPushButton("Cancel")
        self.again_button = QPushButton("Compute again")
        self.patch_hint = WrappedLabel("", "hint")
        self.patch_bars = PatchBars()
        self.form = AttentionForm(self._session)
        self.settings = Fold("Settings", self.form)
        self.many = AttentionFramesForm(self._session, self.tools)
        self.frames = Fold("Over many frames", self.many)

    def _lay_out(self) -> None:
        self.choices = QWidget()
        main, _ = labelled_rows(
            ("Of", self.target), ("Method", self.method), ("Opacity", self.opacity)
        )
        main.setContentsMargins(0, 0, 0, 0)
        self.choices.setLayout(main)
        self.buttons = row_of(self.play_button, self.grid_button, self.pick_button)
        self.more_buttons = row_of(self.check_button, self.export_button)
        progress = beside(self.bar, self.stop_button, wide=(self.bar,), spacing=6)
        self.add(self.switch, self.choices, self.buttons, progress, self.title_line, self.label)
        self.add(self.problem, self.again_button, self.mean_button, self.more_buttons)
        self.add(self.checking, self.checked, self.patch_hint, self.patch_bars, self.settings)
        self.add(self.frames)

    def _connect(self) -> None:
        session, follower, tools = self._session, self._follower, self.tools
        configure = follower.configure
        self.switch.toggled.connect(lambda on: setattr(follower, "enabled", on))
        self.target.chosen.connect(lambda target: configure(target=target))
        self.method.activated.connect(
            lambda _: configure(method=self.method.currentData(), layers=None)
        )
        self.opacity.valueChanged.connect(
            lambda value: setattr(session.overlays, "attention_opacity", value)
        )
        self.play_button.clicked.connect(lambda: self._on_play())
        self.grid_button.clicked.connect(lambda: self.open_grid())
        self.pick_button.clicked.connect(self._on_pick)
        self.stop_button.clicked.connect(lambda: follower.stop())
        self.again_button.clicked.connect(lambda: follower.again())
        self.mean_button.clicked.connect(lambda: follower.drop_mean())
        self.check_button.clicked.connect(lambda: tools.check.start())
        tools.check.changed.connect(self._refresh_check)
        self.patch_bars.clicked.connect(lambda name: configure(target=name))
        self._beat.timeout.connect(tools.player.step)
        follower.changed.connect(self.refresh)
        tools.player.changed.connect(self._refresh_player)
        tools.canvas.changed.connect(self._refresh_patch)
        session.video_changed.connect(self.refresh)
        session.poses_changed.connect(self._list_targets)

    # ----------------------------------------------------------------- what the user does

    def _on_play(self) -> None:
        player = self.tools.player
        if player.playing:
            player.stop()
        else:
            player.start()

    def _on_pick(self, on: bool) -> None:
        if on:
            self.tools.canvas.start_picking()
        else:
            self.tools.canvas.stop_picking()

    def open_grid(self, kind: str | None = None) -> None:
        """Show the grid below the canvas."""
        session, grid = self._session, self.tools.grid
        dock = self.grid_dock = open_below(
            session, GRID_NAME, lambda viewer: AttentionGridDock(session, grid, viewer)
        )
        if dock is not None and kind is not None:
            dock.show_kind(kind)

    @on_video
    def ask_to_export(self, opened: OpenVideo, suffix: str) -> None:
        """Ask where to write the picture (.png) or the numbers (.npz) of the map on screen."""
        export = self.tools.export
        if not export.possible:
            return
        start = export.suggested(opened, suffix)
        kinds = {".png": "PNG (*.png)", ".npz": "NumPy arrays (*.npz)"}[suffix]
        write = export.picture if suffix == ".png" else export.numbers
        save_as(self, "Export", start, kinds, suffix, write)

    def ask_for_video(self) -> None:
        """Ask where to write a video of the frames that are chosen under "Over many frames"."""
        self.frames.button.setChecked(True)
        self.many.ask_for_video()

    # ----------------------------------------------------------------- what is shown

    def refresh(self) -> None:
        """Bring every line up to date with the session."""
        follower, waits = self._follower, bool(self._session.made.waiting)
        self.set_waiting(waits)
        set_checked(self.switch, follower.enabled)
        self.switch.setEnabled(not waits or follower.enabled)
        for widget in (self.choices, self.buttons, self.settings, self.frames):
            widget.setVisible(follower.enabled)
        chosen = follower.settings
        self.target.set_target(chosen.target)
        self.method.setCurrentIndex(self.method.findData(chosen.method))
        self.method.setToolTip(sentence(METHODS[chosen.method].help))
        self.form.refresh()
        self.settings.set_summary(self.form.summary())
        self.problem.say(follower.message if follower.status == "failed" else "", "error")
        self._refresh_status()
        self._refresh_progress()
        self._refresh_label()
        self._refresh_player()
        self._refresh_patch()
        self._refresh_check()
        self.many.refresh()

    def _refresh_status(self) -> None:
        hint, status = self._session.made.waiting, ""
        match self._follower.status:
            case "off" | "waiting" if hint:
                pass
            case "off":
                hint, status = "Tick to see it as heat on the frame on screen.", "off"
            case "waiting":
                hint = "There is no frame here: the slider is beyond the video."
            case "computing":
                status = "computing …"
            case "shown":
                status = "on"
            case "failed":
                status = "failed"
            case "stopped":
                status = "cancelled"
        self.hint.setText(hint)
        self.status = status

    def _refresh_progress(self) -> None:
        follower = self._follower
        progress = follower.progress
        slow = follower.settings.how.cost == "seconds" and follower.status == "computing"
        self.bar.setVisible(slow)
        self.stop_button.setVisible(slow)
        self.again_button.setVisible(follower.status == "stopped")
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)

    def _refresh_label(self) -> None:
        follower = self._follower
        shown, title = follower.map, ""
        if follower.status == "computing" and follower.picture is not None:
            # The words are those of the map that stays on screen.
            return
        # While a frame is computed its label keeps the room of the last one, so that nothing jumps.
        waits = follower.status == "computing" and follower.settings == self._described
        set_property(self.label, "role", "hint" if waits else "value")
        if follower.status == "computing":
            title = f"Computing frame {self._session.frame} …"
            if not waits:
                self.label.setText("")
        elif shown is not None:
            self._list_targets()
            target = follower.settings.target
            title = title_map(shown.computed, target)
            self._described = follower.settings
            self.label.setText(
                describe_map(shown.computed, target, shown.picture, follower.limit, follower.depth)
            )
        else:
            self.label.setText("")
        self.title_line.setText(title)

    def _refresh_check(self) -> None:
        check, follower = self.tools.check, self._follower
        self.more_buttons.setVisible(follower.enabled and follower.status in ("shown", "computing"))
        self.check_button.setEnabled(check.possible)
        self.export_button.setEnabled(self.tools.export.possible)
        self.mean_button.setVisible(follower.mean is not None and follower.status == "shown")
        self.checking.show_run(check.last, stopping="Stopping …")
        words, level = check.verdict or ("", "info")
        problem = check.problem
        self.checked.say(problem or words, "error" if problem else level)

    def _refresh_player(self) -> None:
        player = self.tools.player
        self.play_button.setEnabled(player.can_play)
        depth = self._follower.depth or 0
        text = f"■ Layer {player.layer}/{depth}" if player.playing else "▶ Layers"
        self.play_button.setText(text)
        if player.playing and not self._beat.isActive():
            self._beat.start()
        elif not player.playing:
            self._beat.stop()

    def _refresh_patch(self) -> None:
        canvas, follower = self.tools.canvas, self._follower
        on = follower.enabled and canvas.asks
        set_checked(self.pick_button, on)
        looks = canvas.looks if on else []
        picture = follower.picture
        if not on:
            self.patch_hint.setText("")
        elif canvas.patch is None:
            self.patch_hint.setText("Click on a place in the video.")
        elif looks:
            self._tell_patch()
        colours = self._colours() or {}
        full = follower.limit / (picture.data.size if picture and picture.unit == EVEN else 1)
        known = {each.name: each.value for each in looks}
        self.patch_bars.set_bars(
            [
                Bar(
                    name,
                    min(1.0, max(0.0, known.get(name, 0.0) / full)),
                    follower.number(known[name]) if name in known else "…",
                    colours.get(name, "#9a9a9a"),
                    name == follower.settings.target,
                )
                for name in (canvas.order if on else [])
            ]
        )
        self.patch_bars.setVisible(bool(self.patch_bars.bars))

    @given("_follower.picture")
    @given("tools.canvas.patch")
    def _tell_patch(self, patch: tuple[int, int], picture: AttentionPicture) -> None:
        row, column = patch
        rows = len(picture.data)
        text = f"Who looks at the marked patch: row {row + 1} of {rows}, column {column + 1}."
        if picture.unit == EVEN:
            each = self._follower.number(1 / picture.data.size)
            text += f" An even spread would be {each} each."
        self.patch_hint.setText(text)

    @given("_follower.keypoints")
    def _colours(self, keypoints: KeypointSet) -> dict[str, str]:
        return dict(zip(keypoints.names, keypoints.colours, strict=True))

    def _list_targets(self) -> None:
        """Offer the keypoints of the chosen model."""
        session = self._session
        shown = self._follower.shown
        if session.model in self._follower.store.keypoints:
            names = self._follower.store.keypoints[session.model].names
        elif shown is not None and len(shown.names) > 1:
            names = tuple(name for name in shown.names if name != GLOBAL)
        elif (poses := session.made.poses) is not None:
            names = poses.keypoints.names
        else:
            return
        self.target.set_names(names)
        wanted = self._follower.settings.names or ()
        if any(name not in (*names, GLOBAL) for name in wanted):
            # A keypoint of another model.
            self._follower.configure(target=ALL_KEYPOINTS)
