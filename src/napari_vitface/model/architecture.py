"""What a model may be asked to be: the arguments of timm that a file may give, and their bounds.

`timm.create_model` takes more than the shape of a network: addresses to fetch weights from, files
to load, classes to build with. A checkpoint comes from somebody else, so only what is listed here
passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_vitface.errors import BackboneError

#: What `timm.create_model` is given besides the name: they describe the network.
TimmArguments = dict[str, Any]
#: timm's largest Vision Transformers have 56 blocks, 6144 channels and 64 heads.
_COUNTS = {
    "depth": 128,
    "depths": 128,
    "stages": 128,
    "embed_dim": 16384,
    "in_chans": 3,
    "num_heads": 256,
    "num_kv_heads": 256,
    "num_reg_tokens": 256,
    "patch_size": 256,
    "reg_tokens": 256,
    "swiglu_align_to": 4096,
}
_NUMBERS = {
    "attn_drop_rate": 1.0,
    "drop_path_rate": 1.0,
    "drop_rate": 1.0,
    "init_values": 1e6,
    "mlp_ratio": 64.0,
    "patch_drop_rate": 1.0,
    "pos_drop_rate": 1.0,
    "proj_drop_rate": 1.0,
    "rope_grid_offset": 1e6,
    "rope_temperature": 1e9,
}
_FLAGS = frozenset({
    "class_token", "dynamic_img_pad", "dynamic_img_size", "fc_norm", "final_norm",
    "no_embed_class", "pre_norm", "proj_bias", "qk_norm", "qkv_bias", "qkv_fused",
    "rope_rotate_half", "scale_attn_inner", "scale_attn_norm", "scale_mlp", "scale_mlp_norm",
    "swiglu_mlp", "use_abs_pos_emb", "use_fc_norm", "use_post_norm", "use_post_transformer_norm",
    "use_pre_transformer_norm", "use_rel_pos_bias", "use_rot_pos_emb", "use_shared_rel_pos_bias",
})  # fmt: skip
_WORDS = {
    "global_pool": {"", "avg", "avgmax", "max", "map", "token"},
    "pos_embed": {"", "learn", "none"},
}
#: Input pixels along a side, and patches all in all: attention takes their square.
_LONGEST_SIDE = 8192
_MOST_PATCHES = 1 << 16


def check_architecture(timm_args: Mapping[str, Any]) -> None:
    """Raise `BackboneError` unless `timm_args` only describe a network, and one of usual size.

    None, which is timm's word for its own default, passes for each argument that is known.
    """
    for name, value in timm_args.items():
        if name in _COUNTS:
            numbers = value if isinstance(value, list | tuple) else [value]
            fits = len(numbers) <= 8 and all(
                type(number) is int and 0 <= number <= _COUNTS[name] for number in numbers
            )
        elif name in _NUMBERS:
            fits = isinstance(value, int | float) and 0 <= value <= _NUMBERS[name]
        elif name in _WORDS:
            fits = isinstance(value, str) and value in _WORDS[name]
        elif name in _FLAGS:
            fits = isinstance(value, bool)
        else:
            raise BackboneError(
                f"{name!r} is no argument that describes an architecture, so it is not passed on "
                "to timm; leave it out."
            )
        if value is not None and not fits:
            raise BackboneError(f"{name} cannot be {value!r}; leave it out, or give a usual value.")


def check_input_size(size: tuple[int, int], patch: tuple[int, int] = (8, 8)) -> None:
    """Raise `BackboneError` unless (H, W) can be the size of an input."""
    fits = all(1 <= int(side) <= _LONGEST_SIDE for side in size)
    if not fits or (size[0] // patch[0]) * (size[1] // patch[1]) > _MOST_PATCHES:
        raise BackboneError(
            f"{size[0]} x {size[1]} cannot be the size of a model's input; take a smaller one."
        )
