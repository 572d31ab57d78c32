"""What the Fine-tune section says, in plain sentences; no Qt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.planner import Plan
from napari_vitface.gui.fine_tune.training_run import TRAINING, TrainingRun
from napari_vitface.gui.job_run import STARTING
from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.style import duration
from napari_vitface.jobs.outputs import why_not_kept
from napari_vitface.jobs.results.evaluation import Comparison, Confidence
from napari_vitface.jobs.results.training import TrainResult
from napari_vitface.pose.bootstrap import Gain
from napari_vitface.pose.metrics import Figures
from napari_vitface.settings.training import SCRATCH, TIMM, timm_start

#: Frames that are proposed to who has too few.
_ADVISED = 20
#: Names listed before "and 5 more".
_LISTED = 6


def start_name(start: str) -> str:
    """A start as it stands in a sentence."""
    if start == SCRATCH:
        return "random weights"
    if start.startswith(TIMM):
        name, file = timm_start(start)
        return f"timm's {name}" + (f" of {Path(file).name}" if file else "")
    path = Path(start)
    return path.stem if path.suffix == ".safetensors" else start


def waiting_words(plan: Plan) -> str:
    """What the section waits for; empty if for nothing."""
    match plan.status:
        case "no video":
            return "Waits for a video."
        case "no project":
            return (
                "Waits for corrected frames: move points that are wrong, or place them, in section "
                f"4. About {_ADVISED} frames of different poses are a good start."
            )
        case "counting":
            return "Counting the labelled frames …"
        case "too few" if not len(plan.labels):
            return (
                f"Waits for labelled frames: at least {plan.missing}, better {_ADVISED}, of "
                "different poses. Correct points in section 4; every frame with a placed point "
                "counts."
            )
        case "too few":
            verb = "is" if len(plan.labels) == 1 else "are"
            more = plan.missing
            return (
                f"{counted(len(plan.labels), 'frame')} {verb} labelled: "
                f"{counted(more, 'more frame')} {'is' if more == 1 else 'are'} needed, better "
                f"{_ADVISED} in all, of different poses."
            )
    return ""


def plan_words(plan: Plan, options: FineTuneOptions, model: str, *, cropped: bool = False) -> str:
    """What pressing the button will do; `cropped` if it looks at a part of the frames only."""
    labels, result = plan.labels, plan.result
    by_video = labels.by_video()
    of = f"of {listed(list(by_video))}"
    start = start_name(options.start or model)
    if result is None:
        return (
            f"You have {counted(len(labels), 'labelled frame')} "
            f"({counted(labels.points, 'point')}) {of}. Most are trained on, starting from "
            f"{start}; the others are held out ({_how_held(options.val)}) and tell how much better "
            "it got."
        )
    training, held = sum(result.training.values()), sum(result.held_out.values())
    lines = [
        f"Trains on {digits(training)} of your {counted(len(labels), 'labelled frame')} "
        f"({counted(result.points, 'point')}) {of}, starting from {start}.",
        f"{counted(held, 'frame').capitalize()} {'is' if held == 1 else 'are'} held out "
        f"({_how_held(options.val)}) and tell how much better it got.",
    ]
    if result.seen:
        lines.append(
            f"{start} was trained on frames that are held out now, so its error before looks "
            "better than it is. Label frames that it has not seen."
        )
    if result.fresh and result.kept:
        lines.append(
            f"New to {start}, and learnt from nothing but the image features that serve all "
            f"keypoints: {listed(result.fresh)}."
        )
    elif result.fresh and options.from_random:
        lines.append("All keypoints are new to it and learnt from nothing.")
    elif result.fresh:
        lines.append(
            f"All keypoints are new to {start}, and learnt from nothing but its image features."
        )
    if result.left_out:
        lines.append(f"Labelled in no frame trained on, so left out: {listed(result.left_out)}.")
    if cropped:
        lines.append("It looks at the part of the frames that you cut out under Predict.")
    way = "Quick (the head alone)" if options.trains_head_only else "Full (the whole network)"
    lines.append(f"{way}: {counted(result.steps, 'step')}, {_rough_time(result.seconds)}.")
    return "\n".join(lines)


def _how_held(val: str) -> str:
    kind, _, value = val.partition(":")
    if kind == "video":
        return f"all of {value}"
    share = f"{100 * float(value):.0f} %" if value else "quarter"
    if kind == "time":
        return f"the last {share} of each video"
    return f"{share} at random" if value else "a quarter at random"


def _rough_time(seconds: float | None) -> str:
    """A guess, said as one: it is off by half easily."""
    if seconds is None:
        return "the time left is told once it runs"
    if seconds < 50:
        rough = max(10, round(seconds / 10) * 10)
    elif seconds < 600:
        rough = max(1, round(seconds / 60)) * 60
    elif seconds < 3600:
        rough = round(seconds / 300) * 300
    else:
        rough = round(seconds / 1800) * 1800
    return f"roughly {duration(rough)} on this computer"


def stage_words(run: TrainingRun) -> str:
    """What a run is doing, and how long it will take."""
    if run.status == "starting":
        return f"{run.doing or STARTING} …"
    if run.status == "cancelling":
        return "Stopping; what was reached is being written …"
    if run.doing == TRAINING:
        text = f"Step {digits(run.step)} of {digits(run.steps)}"
        if run.seconds_left is not None:
            early = " at most" if run.settings is not None and run.settings.stops_early else ""
            text += f"  ·  {duration(run.seconds_left)} left{early}"
        return text
    stage = run.doing[:1].upper() + run.doing[1:]
    if run.total > 1:
        return f"{stage}: {run.done} of {run.total}"
    return f"{stage} …" if stage else "Starting …"


def error_words(run: TrainingRun) -> str:
    """The held-out error as it stands, beside where it began and the mean pose."""
    errors = run.curve.errors
    if not errors:
        return ""
    text = f"Held-out error {errors[-1][1]:.1f} px"
    if len(errors) > 1 and errors[0][0] == 0:
        text += f", at the start {errors[0][1]:.1f}"
    if run.curve.mean_pose[0] is not None:
        text += f", mean pose {run.curve.mean_pose[0]:.1f}"
    return text + " (medians)."


def run_words(run: TrainingRun) -> str:
    """What is trained from what, and on what it computes."""
    settings = run.settings
    if settings is None:
        return ""
    frames = counted(settings.frames.training, "frame")
    start = start_name(settings.init)
    device = settings.device.upper()
    return f"{run.name}, from {start}, on {frames}; computed on {device} in {settings.precision}."


def change_words(run: TrainingRun) -> str:
    """What came of it in a few characters, for the header of the section."""
    if run.result is None or run.result.after.median is None:
        return "done"
    now, before = f"{run.result.after.median:.1f} px", _median_before(run.result)
    return now if before is None else f"{before:.1f} → {now}"


def _median_before(result: TrainResult) -> float | None:
    """Median error of the start; None if there is none, or it does not know all points."""
    before = result.before
    return None if before is None or before.missed else before.median


def notice_words(run: TrainingRun) -> str:
    """What the job had to say, one notice a line, with paths as they are in the project."""
    project = run.folder.parent.parent.parent
    folder = str(project / "labeled-data") + os.sep
    return "\n".join(run.notices).replace(folder, "").replace(str(project) + os.sep, "")


def stopped_words(run: TrainingRun) -> str:
    """What a run that was stopped has reached."""
    if not run.can_continue:
        # Once it had begun there was a folder.
        lost = why_not_kept(run.folder) if run.settings else ""
        return f"Stopped. {lost}" if lost else "Stopped before there was anything to keep."
    text = (
        f"Stopped at step {digits(run.step)} of {digits(run.steps)}; it is kept."
        if run.steps
        else "Stopped."
    )
    return f"{text} {error_words(run)}".strip()


def headline(result: TrainResult) -> tuple[str, str]:
    """The verdict in a few words, and the level of its note ("info" or "warning")."""
    verdict, after, pose = result.verdict, result.after, result.against_mean_pose
    if after.median is None:
        return "There was no point to judge by.", "warning"
    if verdict is None or verdict.gain is None:
        text = f"Median error on held-out frames: {after.median:.1f} px"
        if result.mean_pose.median is not None:
            text += f", {result.mean_pose.median:.1f} px for the mean pose"
        return f"{text}.", "info" if pose.better else "warning"
    change = _change(result, verdict)
    if verdict.better is True:
        return f"Better: {change}.", "info"
    if verdict.better is False:
        return f"Worse: {change}. The old model is the better one.", "warning"
    if verdict.interval is None:
        return f"Too few held-out frames to be sure: {change}.", "warning"
    return f"No better than chance explains: {change}.", "warning"


def _change(result: TrainResult, verdict: Gain) -> str:
    before = _median_before(result)
    if before is not None:
        return f"median error {before:.1f} px before, {result.after.median:.1f} px now"
    # Of points that the old model knows, for it cannot be judged by the others.
    return f"mean error {verdict.before:.1f} px before, {verdict.after:.1f} px now"


def verdict_words(result: TrainResult) -> str:
    """How sure the verdict is, on what, and how a constant does."""
    verdict, after, frames = result.verdict, result.after, result.frames.judging
    # Where the start knew none of the keypoints, there is nothing else to compare with.
    known = verdict is not None
    shown = verdict or result.against_mean_pose
    lines = [
        f"Judged on {counted(frames, 'frame')} that it was not trained on "
        f"({counted(after.points, 'point')})."
    ]
    if shown.interval is not None and shown.gain is not None:
        low, high = shown.interval
        gain, fell = shown.gain, shown.gain >= 0
        if not fell:
            gain, low, high = -gain, -high, -low
        change = "fell" if fell else "rose"
        if not known:
            change = f"is {'smaller' if fell else 'larger'} than that of the mean pose"
        lines.append(
            f"The mean error {change} by {gain:.1f} px (95 % interval {low:.1f} to {high:.1f}): "
            f"{_chance(shown.better)}."
        )
    # Without what the old model knew, the interval has said it already.
    if result.against_mean_pose.gain is not None and (known or shown.interval is None):
        lines.append(_beside_the_mean_pose(result.against_mean_pose))
    lines.append(_confidence(result.calibration))
    if result.seen_before:
        lines.append(
            f"{result.init} had been trained on frames that judge here, so its error before "
            "looks better than it is."
        )
    if shown.interval is None:
        lines.append("Label more frames, so that more can be held out.")
    steps = f"{digits(result.steps)} of {counted(result.steps_planned, 'step')}"
    if result.kept_step == 0 and result.steps:
        lines.append("No step made it better, so it has the weights that it started with.")
    if result.stopped == "no longer better":
        lines.append(f"It stopped after {steps}, because it no longer got better.")
    elif result.stopped == "asked":
        lines.append(f"It was ended after {steps}.")
    return "\n".join(lines)


def _chance(better: bool | None) -> str:
    return {
        True: "more than chance",
        False: "more than chance",
        None: "no more than chance could do",
    }[better]


def _beside_the_mean_pose(pose: Comparison) -> str:
    if pose.better is True:
        return "It is better than always guessing the mean pose."
    if pose.better is False:
        return "It is worse than always guessing the mean pose: label more frames."
    return "It is not clearly better than always guessing the mean pose: label more frames."


def _confidence(calibration: Confidence) -> str:
    """What its confidence means, and how far that is from the truth."""
    if calibration.radius is None:
        return "Its confidence is its own view: too few held-out points to calibrate it."
    text = f"Its confidence is the chance to be within {calibration.radius:.3g} px"
    error = calibration.calibration_error
    return f"{text}." if error is None else f"{text}, off by {error:.2f} on held-out frames."


#: Columns of the table of the verdict.
COLUMNS = ("error in px", "median", "mean")


def verdict_rows(result: TrainResult) -> list[tuple[str, str, str]]:
    """Before, after and the mean pose: their name, median and mean error in px."""
    rows = []
    for title, figures in (
        (f"before ({result.init})", result.before),
        (f"now ({result.name})", result.after),
        ("mean pose", result.mean_pose),
    ):
        if figures is not None:
            rows.append((title, _px(figures.median), _px(figures.mean)))
    return rows


#: Columns of the table of keypoints.
KEYPOINT_COLUMNS = ("median error, px", "n", "before", "now", "mean\npose")


def keypoint_rows(result: TrainResult) -> list[tuple[str, ...]]:
    """Median errors in px of each keypoint, with the number of points."""

    def median(figures: Figures | None, name: str) -> str:
        return _px(None if figures is None else figures.per_keypoint[name].median)

    sides = result.before, result.after, result.mean_pose
    return [
        (name, str(result.after.per_keypoint[name].points), *(median(side, name) for side in sides))
        for name in result.keypoints
    ]


def _px(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, at most some of them."""
    if len(names) > _LISTED:
        shown, rest = names[: _LISTED - 1], len(names) - _LISTED + 1
        return f"{', '.join(shown)} and {rest} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
