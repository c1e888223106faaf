"""What TVM is known to get wrong, each seen with TVM 0.27 and the named case of the standard."""

from burnish.runtime.importing import Refusal

REFUSED = (
    Refusal(
        "BatchNormalization",
        "training is taken for inference: batchnorm_example_training_mode",
        lambda use: bool(use.get("training_mode", 0)),
    ),
    Refusal("BitShift", "shifts by the whole width or more leave bits: bitshift_left_int32_shift_ge_width"),
    Refusal(
        "ConvTranspose",
        "output_shape is ignored: convtranspose_output_shape",
        lambda use: use.get("output_shape") is not None,
    ),
    Refusal(
        "Dropout",
        "the mask and training are left out: dropout_default_mask, training_dropout",
        lambda use: use.has_output(1) or use.has_input(2),
    ),
    Refusal(
        "IsInf",
        "detect_positive and detect_negative are ignored: isinf_positive",
        lambda use: not (use.get("detect_positive", 1) and use.get("detect_negative", 1)),
    ),
    Refusal(
        "LayerNormalization",
        "mean and deviation are left out: layer_normalization_default_axis",
        lambda use: use.has_output(1) or use.has_output(2),
    ),
    Refusal(
        "Mod",
        "floats of unlike sign are wrong at infinity: mod_float_edge_cases_fmod_0_float32",
        lambda use: use.is_float and not use.get("fmod", 0),
    ),
    *(
        Refusal(
            operator,
            "of nothing but infinities the result is finite: "
            "attention_23_boolmask_fullymasked_row_nan_robustness_expanded",
            lambda use: use.is_float,
        )
        for operator in ("ReduceMax", "ReduceMin")
    ),
    Refusal("NonMaxSuppression", "no box is kept: nonmaxsuppression_single_box"),
    Refusal(
        "RoiAlign",
        "the maximum is taken of other samples: roialign_mode_max",
        lambda use: use.get("mode", "avg") == "max",
    ),
    Refusal(
        "SpaceToDepth",
        "CRD mode is taken for DCR: spacetodepth_crd_mode_example",
        lambda use: use.get("mode", "DCR") == "CRD",
    ),
)
