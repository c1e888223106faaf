"""What OpenVINO is known to get wrong without an error, each seen with OpenVINO 2026.4 and the named case of ONNX."""

from burnish.runtime.importing import Refusal

REFUSED = (
    Refusal(
        "Attention",
        "windows are ignored: attention_local_window",
        lambda use: use.get("left_window_size", -1) != -1 or use.get("right_window_size", -1) != -1,
    ),
    Refusal(
        "Attention",
        "a causal mask over earlier or padded keys is wrong: attention_4d_causal_padded_kv_bf16",
        lambda use: use.get("is_causal", 0) == 1 and (use.has_input(4) or use.has_input(6)),
    ),
    Refusal(
        "BitShift",
        "signed integers lose their sign, and 255 >> 4 is rounded to 16: bitshift_right_int8_negative_input",
    ),
    Refusal(
        "DFT",
        "the axis given as an input is dropped, and a one-sided transform loses an axis: dft_rfft",
        lambda use: use.has_input(2) or use.get("onesided", 0) == 1,
    ),
    Refusal("GRU", "layout=1 is ignored: gru_batchwise", lambda use: use.get("layout", 0) == 1),
    Refusal(
        "LSTM",
        "layout=1 and peepholes are ignored: lstm_batchwise, lstm_with_peepholes",
        lambda use: use.get("layout", 0) == 1 or use.has_input(7),
    ),
    Refusal(
        "Resize",
        "antialias, exclude_outside and keep_aspect_ratio_policy are ignored: "
        "resize_downsample_scales_linear_antialias",
        lambda use: bool(
            use.get("antialias", 0)
            or use.get("exclude_outside", 0)
            or use.get("keep_aspect_ratio_policy", "stretch") != "stretch"
        ),
    ),
    Refusal("RNN", "layout=1 is ignored: simple_rnn_batchwise", lambda use: use.get("layout", 0) == 1),
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
    Refusal(
        "Tile",
        "repeats that are computed read memory that was never written: tile",
        lambda use: not use.is_constant(1),
    ),
)
