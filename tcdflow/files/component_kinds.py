"""What kind of value stands under a key of a component's config: diffusers looks at few of them before it samples.

A value of another kind would fail in the midst of a run, without a word of the file that it came from.
"""

from __future__ import annotations

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
    if key in FLAGS and not all(leaf is None or isinstance(leaf, bool) for leaf in leaves):
        return "must be true or false"
    if key in NUMBERS and not all(leaf is None or _is_number(leaf) for leaf in leaves):
        return "must be a number"
    if key in TEXTS and not all(leaf is None or isinstance(leaf, str) for leaf in leaves):
        return "must be a text"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: object) -> list[object]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in (item if isinstance(item, list) else [item])]
    return [value]
