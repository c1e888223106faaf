"""What IREE is known to get wrong, each seen with IREE 3.13 and the named case of the ONNX standard."""

from burnish.runtime.importing import Refusal

REFUSED = (
    Refusal(
        "AveragePool",
        "ceil_mode with count_include_pad divides the last window by too much: "
        "averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
        lambda use: bool(use.get("ceil_mode", 0) and use.get("count_include_pad", 0)),
    ),
    Refusal("BitShift", "shifts by the whole width or more leave bits: bitshift_left_int8_shift_ge_width"),
    Refusal("Det", "gives NaN: det_2d"),
    Refusal("GridSample", "samples outside the borders are wrong: gridsample_zeros_padding"),
    Refusal("LpNormalization", "vectors of zeros become NaN: l2normalization_axis_0"),
    Refusal("LSTM", "peepholes are left out: lstm_with_peepholes", lambda use: use.has_input(7)),
    Refusal("QLinearMatMul", "stacks of matrices are wrong: qlinearmatmul_3D_uint8_float32"),
    Refusal(
        "Resize",
        "align_corners rounds the output's size before it spaces the samples: "
        "resize_downsample_scales_linear_align_corners",
        lambda use: use.get("coordinate_transformation_mode") == "align_corners",
    ),
    Refusal(
        "SoftmaxCrossEntropyLoss",
        "the mean with weights is infinite: sce_mean_weight",
        lambda use: use.has_input(2),
    ),
    Refusal(
        "SpaceToDepth",
        "CRD mode is taken for DCR: spacetodepth_crd_mode_example",
        lambda use: use.get("mode", "DCR") == "CRD",
    ),
)
