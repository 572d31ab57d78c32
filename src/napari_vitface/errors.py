"""The errors that users see: each is one sentence that says what happened and what to do."""


class VitFaceError(Exception):
    """Base of all errors that are the user's to mend; shown as it is, without a traceback."""


class VideoError(VitFaceError):
    """A video, image folder or frame cannot be read."""


class CheckpointError(VitFaceError):
    """A model file is not a checkpoint of ours, is damaged, or is of a newer format."""


class BackboneError(VitFaceError):
    """A timm model cannot serve as backbone, for the reason given in the text."""


class LabelError(VitFaceError):
    """A label or prediction table cannot be read or does not fit what it is used with."""


class EngineError(VitFaceError):
    """The engine process died or could not be started."""
