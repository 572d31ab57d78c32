"""What a ViT makes of the face: its class token, or the mean of its patch tokens, at any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.settings.features import Tokens
    from napari_vitface.states.features.extractor import Layout, Material, Pictures


def extractor(kind: Tokens, material: Material) -> TokenExtractor:
    """The extractor of a crop that a model looks at.

    Raises
    ------
    VitFaceError
        The model has no class token, or fewer layers.
    """
    model = material.model
    if model is None:
        raise VitFaceError("Tokens are of a model; name one.")
    backbone = model.network.backbone
    depth = len(backbone.blocks)
    if kind.layer is not None and not -depth <= kind.layer < depth:
        raise VitFaceError(
            f"The model {model.name} has the layers 0 to {depth - 1}, and no layer {kind.layer}."
        )
    if kind.token != "mean" and backbone.class_token is None:
        raise VitFaceError(
            f"The model {model.name} has no class token; choose the mean of its patches "
            "(--token mean)."
        )
    layer = (-1 if kind.layer is None else kind.layer) % depth
    return TokenExtractor(model, material.crop.size, layer, kind.token)


class TokenExtractor:
    """Tokens of pictures of one size, through the model's own preprocessing.

    Parameters
    ----------
    model : KeypointModel
    size : (h, w)
        Of the crop.
    layer : int
        Block whose output is taken, from 0; normalised as the last one's is (Caron et al., 2021).
    token : {"class", "mean", "both"}
    """

    before = False

    def __init__(self, model: KeypointModel, size: tuple[int, int], layer: int, token: str) -> None:
        self._model = model
        # The crop has been cut already.
        self._view = model.preprocessing.with_crop(None).view(size)
        self._layer = layer
        self._token = token
        self.scale = self._view.scale
        self.about: Layout = {
            "layer": layer,
            "input_size": list(model.network.input_size),
        }
        named = {"class": ["class"], "mean": ["mean"], "both": ["class", "mean"]}[token]
        channels = range(model.network.backbone.embed_dim)
        self.columns = tuple(f"{name} {channel}" for name in named for channel in channels)

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        canvas = self._view.pad(pictures.images)
        found = np.empty((len(canvas), len(self.columns)), np.float32)
        for part, tokens in self._model.in_batches(canvas, self._tokens):
            found[part] = tokens.float().cpu().numpy()
        return found

    def _tokens(self, canvas: Tensor) -> Tensor:
        import torch

        with torch.inference_mode():
            return self._of(self._model.to_images(canvas))

    def _of(self, images: Tensor) -> Tensor:
        import torch

        backbone = self._model.network.backbone
        if self._layer == len(backbone.blocks) - 1:
            prefix, patches = backbone(images)
        else:
            prefix, patches = backbone.at_layer(images, self._layer)
        mean = patches.mean(dim=(2, 3))
        if self._token == "mean":
            return mean
        first = prefix[:, backbone.class_token]
        return first if self._token == "class" else torch.cat([first, mean], dim=1)

    def entering(self, blocks: int) -> EnteringExtractor:
        """The same, which keeps what enters the last blocks as well."""
        return EnteringExtractor(self, blocks)

    def with_entering(
        self, pictures: Pictures, blocks: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
        """Tokens (B, D), and all tokens (B, N, C) that enter the last blocks."""
        import torch

        first = self._model.network.backbone.blocks[-blocks]
        caught: list[Tensor] = []
        hook = first.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))

        def compute(canvas: Tensor) -> tuple[Tensor, Tensor]:
            # A batch that did not fit into the memory may have come this far.
            caught.clear()
            tokens = self._tokens(canvas)
            return tokens, caught[0].to(torch.float16)

        found, kept = [], []
        try:
            for _, (tokens, inner) in self._model.in_batches(
                self._view.pad(pictures.images), compute
            ):
                found.append(tokens.float().cpu().numpy())
                kept.append(inner.cpu().numpy())
        finally:
            hook.remove()
        return np.concatenate(found), np.concatenate(kept)

    # What explanations need beside the tokens.

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The blocks that the tokens have gone through."""
        return list(self._model.network.backbone.blocks)[: self._layer + 1]

    def with_graph(self, pictures: Pictures) -> Tensor:
        """Tokens (B, D) in single precision, with the graph of gradients behind them."""
        import torch

        canvas = torch.from_numpy(self._view.pad(pictures.images)).to(self._model.device)
        images = self._model.to_images(canvas).float()
        return self._of(images.requires_grad_(True))

    def start(self, tokens: int) -> Tensor:
        """(1, 1, N) which of a block's N tokens the features are: class, all patches, or both."""
        import torch

        backbone = self._model.network.backbone
        row = torch.zeros(tokens)
        if self._token != "class":
            row[backbone.num_prefix_tokens :] = 1 / (tokens - backbone.num_prefix_tokens)
        if self._token != "mean":
            row[backbone.class_token] = 1
        return (row / row.sum())[None, None].to(self._model.device)

    def on_crop(self, row: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float64]:
        """A row over tokens (N,) as a map (rows, columns) of the crop."""
        backbone = self._model.network.backbone
        patches = row[backbone.num_prefix_tokens :].reshape(backbone.grid)
        height, width = self._model.network.input_size
        top, left = self._view.offset
        shown = self._view.resized
        # Centres of the cells in the model's input, and the patches that they lie in.
        down = top + (np.arange(grid[0]) + 0.5) * shown[0] / grid[0]
        across = left + (np.arange(grid[1]) + 0.5) * shown[1] / grid[1]
        i = (down * backbone.grid[0] / height).astype(int)
        j = (across * backbone.grid[1] / width).astype(int)
        return patches[np.ix_(i, j)].astype(np.float64)


class EnteringExtractor:
    """An extractor of tokens that keeps what enters the last blocks of the ViT.

    Attributes
    ----------
    kept : dict of int to (N, C) float16
        All tokens that enter them, by frame.
    """

    before = False

    def __init__(self, tokens: TokenExtractor, blocks: int) -> None:
        self._tokens, self._blocks = tokens, blocks
        self.columns, self.scale, self.about = tokens.columns, tokens.scale, tokens.about
        self.kept: dict[int, NDArray[np.float16]] = {}

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        found, kept = self._tokens.with_entering(pictures, self._blocks)
        self.kept.update(zip(pictures.frames.tolist(), kept, strict=True))
        return found


def with_weights(
    model: KeypointModel, weights: Mapping[str, NDArray[np.float32]], name: str
) -> KeypointModel:
    """The same model, some weights of its ViT replaced by others.

    Raises
    ------
    VitFaceError
        They are not those of this ViT; `name` is of the file that they come from.
    """
    import copy

    import torch

    network = copy.deepcopy(model.network)
    vit = network.backbone.model
    own = vit.state_dict()
    if any(key not in own or own[key].shape != each.shape for key, each in weights.items()):
        raise VitFaceError(
            f"{name} holds trained blocks of another ViT than that of {model.name}; train it again."
        )
    vit.load_state_dict(
        {key: torch.from_numpy(each) for key, each in weights.items()}, strict=False
    )
    changed = copy.copy(model)
    changed.network = network
    return changed
