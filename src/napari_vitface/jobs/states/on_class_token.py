"""What a training of states needs whose classifier learns from the class token of a ViT."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Notice
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.frame_features import Look
from napari_vitface.settings.states import ClassifierKind, StatesSettings
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.training.class_token import Start


def check(
    classifier: ClassifierKind, chosen: StatesSettings, look: Look, resources: Resources
) -> Generator[Event, None, None]:
    """Say what is not used of what was chosen, before anything is computed.

    Raises
    ------
    VitFaceError
        The model has no class token.
    """
    yield Notice(
        f"The classifier {classifier.name} learns from the class token of the ViT itself; the "
        f"features {chosen.features} are not used."
    )
    with ExitStack() as stack:
        model = yield from resources.loading(stack, look.model, look.computing)
        if model.network.backbone.class_token is None:
            raise VitFaceError(
                f"The model {model.name} has no class token, from which the classifier "
                f"{classifier.name} learns; choose another model, or a classifier of features such "
                "as forest."
            )
    if classifier.network:
        yield Notice(
            f"Of each trial {counted(chosen.frames_per_trial, 'frame')}, spread over the window, "
            "are learned from and judged; frames by themselves, with no baseline."
        )


def start_of(look: Look, blocks: int, resources: Resources) -> Generator[Event, None, Start]:
    """What the training of a ViT's last blocks starts from."""
    from napari_vitface.model.checkpoint import find_model, load_network
    from napari_vitface.training.class_token import Start

    with ExitStack() as stack:
        model = yield from resources.loading(stack, look.model, look.computing)
        # The loaded one computes in half of the digits, perhaps.
        network, _, _ = load_network(find_model(look.model))
        precision = "bf16" if model.precision == "bf16" else "fp32"
        return Start(network.backbone, blocks, model.device, precision)
