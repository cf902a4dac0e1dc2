"""What kind of value stands under a key of a component's config: diffusers looks at few of them before it samples.

A value of another kind would fail in the midst of a run, without a word of the file that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping

from tcdflow.text import any_of

FLAGS = frozenset(
    {"center_input_sample", "class_embeddings_concat", "clip_sample", "dual_cross_attention", "euler_at_final"}
    | {"flip_sin_to_cos", "force_upcast", "global_pool_conditions", "lower_order_final", "mid_block_add_attention"}
    | {"only_cross_attention", "predict_x0", "rescale_betas_zero_snr", "resnet_skip_time_act", "set_alpha_to_one"}
    | {"skip_prk_steps", "thresholding", "upcast_attention", "use_beta_sigmas", "use_dynamic_shifting"}
    | {"use_exponential_sigmas", "use_flow_sigmas", "use_karras_sigmas", "use_linear_projection", "use_lu_lambdas"}
    | {"use_motion_mid_block", "use_post_quant_conv", "use_quant_conv"}
    | {"do_center_crop", "do_convert_rgb", "do_normalize", "do_rescale", "do_resize", "keep_aspect_ratio"}
)
NUMBERS = frozenset(
    {"addition_embed_type_num_heads", "beta_end", "beta_start", "clip_sample_range", "conv_in_kernel"}
    | {"conv_out_kernel", "downsample_padding", "downscale_factor", "dropout", "dynamic_thresholding_ratio"}
    | {"flow_shift", "freq_shift", "lambda_min_clipped", "latent_magnitude", "latent_shift", "mid_block_scale_factor"}
    | {"norm_eps", "original_inference_steps", "resnet_out_scale_factor", "sample_max_value", "scaling_factor"}
    | {"shift_factor", "solver_order", "steps_offset", "timestep_scaling", "upsampling_scaling_factor"}
    | {"image_mean", "image_std", "resample", "rescale_factor", "trained_betas"}
)
SINGLE = frozenset(
    {"beta_end", "beta_start", "freq_shift", "layer_norm_eps", "mid_block_scale_factor"}
    | {"model_max_length", "norm_eps", "scaling_factor"}
)
"""Numbers that are there wherever their key is."""

_CHOICES: Mapping[str, tuple[object, ...]] = {
    "controlnet_conditioning_channel_order": ("rgb", "bgr"),
    "downsample_padding": (0, 1),
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "upsample_fn": ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    "upsampling_scaling_factor": (1, 2, 4, 8),
}
"""All that can stand under a key."""

TEXTS = frozenset(
    {"adapter_type", "algorithm_type", "attention_type", "beta_schedule", "controlnet_conditioning_channel_order"}
    | {"final_sigmas_type", "interpolation_type", "mid_block_type", "prediction_type", "resnet_time_scale_shift"}
    | {"solver_type", "time_embedding_type", "time_shift_type", "timestep_spacing", "timestep_type", "upsample_fn"}
    | {"down_block_types", "up_block_types", "variance_type"}
)


def wrong_kind(key: str, value: object) -> str | None:
    """Say what must stand under a key; None if it does, or if nothing is known of the key.

    Args:
        key: of a config.
        value: what stands there; None and lists of values of the kind are right, too.
    """
    leaves = _leaves(value)
    if key in _CHOICES and (isinstance(value, bool | float) or value not in _CHOICES[key]):
        return f"must be {any_of(map(str, _CHOICES[key]))}"
    if key in SINGLE and not _is_number(value):
        return "must be a number"
    if key in FLAGS and not all(leaf is None or isinstance(leaf, bool) for leaf in leaves):
        return "must be true or false"
    if key in NUMBERS and not all(leaf is None or _is_number(leaf) for leaf in leaves):
        return "must be a number"
    if key in TEXTS and not all(leaf is None or isinstance(leaf, str) for leaf in leaves):
        return "must be a text"
    return None


def wrong_processing(config: Mapping[str, object]) -> str | None:
    """Say what the config of an image processor lacks for a step that it asks for."""
    for step, keys in _STEPS.items():
        for key in keys:
            if key in config and config.get(step) is True and not _is_given(key, config[key]):
                return f"{key}: must be {_GIVEN.get(key, 'given')}, or {step} false"
    return None


_STEPS = {
    "do_resize": ("size", "resample"),
    "do_center_crop": ("crop_size",),
    "do_rescale": ("rescale_factor",),
    "do_normalize": ("image_mean", "image_std"),
}
"""What the steps of an image processor need; what is left out has the value of its class."""

_GIVEN = {
    "resample": "a number from 0 to 5",
    "rescale_factor": "a number",
    "image_mean": "three numbers",
    "image_std": "three numbers",
}


def _is_given(key: str, value: object) -> bool:
    if key == "resample":
        return value in range(6)
    if key == "rescale_factor":
        return _is_number(value)
    if key.startswith("image_"):
        return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
    return bool(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: object) -> list[object]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in (item if isinstance(item, list) else [item])]
    return [value]
