"""From a Hugging Face folder, without the network and without pickles."""

import json

import numpy as np
import pytest
import torch
import transformers

from burnish.errors import InputError, NotFoundError, UnsupportedOpError
from burnish.graph.huggingface import capture_folder, is_model_folder

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """Return a small BERT classifier and the folder that it was saved to."""
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=50, max_position_embeddings=32, num_labels=3, **SMALL)
    model = transformers.BertForSequenceClassification(config).eval()
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    return model, folder


@pytest.fixture
def edited(bert, tmp_path):
    """Return a copy of the folder and a function that edits its config.json."""
    for path in bert[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def edit(**changes):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        return tmp_path

    return edit


def test_text_of_any_length_is_classified_as_the_module_does(bert, monkeypatch, capfd):
    model, folder = bert

    def refuse(*arguments, **named):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert is_model_folder(folder)
    graph = capture_folder(folder)
    assert capfd.readouterr() == ("", "")
    signature = graph.signature
    assert signature.input_names == ["input_ids", "attention_mask", "token_type_ids"]
    assert signature.output_names == ["logits"]
    assert {spec.shape for spec in signature.inputs} == {("batch", "length")}
    assert {spec.ragged for spec in signature.inputs} == {(1,)}
    assert {spec.layout for spec in signature.inputs} == {"BL"}
    rng = np.random.default_rng(0)
    for rows, length in ((1, 4), (3, 17)):
        ids = rng.integers(0, 50, (rows, length))
        mask = np.ones_like(ids)
        mask[0, length // 2 :] = 0
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": rng.integers(0, 2, (rows, length)),
        }
        with torch.no_grad():
            expected = model(**{name: torch.tensor(array) for name, array in inputs.items()}).logits.numpy()
        np.testing.assert_allclose(graph.infer(inputs)["logits"], expected, rtol=1e-4, atol=1e-5)
    cost = graph.cost(2, sizes={"length": 9})
    assert cost.uncosted == {}
    assert cost.macs > 0


def test_images_are_noted_as_nchw(tmp_path):
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_labels=3, **SMALL)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    graph = capture_folder(tmp_path)
    (pixels,) = graph.signature.inputs
    assert (pixels.name, pixels.shape, pixels.layout) == ("pixel_values", ("batch", 3, 16, 16), "NCHW")
    assert pixels.ragged == ()


def test_pickled_weights_are_refused(edited):
    folder = edited()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"a pickle \(pytorch_model\.bin\)") as caught:
        capture_folder(folder)
    assert "safe_serialization" in caught.value.hint


@pytest.mark.parametrize(
    ("missing", "words"), [("config.json", "holds no config.json"), ("model.safetensors", "holds no")]
)
def test_what_is_missing_is_named(edited, missing, words):
    folder = edited()
    (folder / missing).unlink()
    with pytest.raises(NotFoundError, match=words):
        capture_folder(folder)


def test_a_truncated_file_of_weights_is_refused(edited):
    folder = edited()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded"):
        capture_folder(folder)


def test_weights_that_do_not_fill_the_architecture_are_refused(edited):
    with pytest.raises(InputError, match="the weights lack 'qa_outputs"):
        capture_folder(edited(architectures=["BertForQuestionAnswering"]))


def test_code_of_the_folder_is_never_run(edited):
    folder = edited(architectures=["EvilModel"], auto_map={"AutoModel": "evil.EvilModel"})
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UnsupportedOpError, match="code of its own, which is not run"):
        capture_folder(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_config_that_is_none_is_refused(edited, content):
    folder = edited()
    (folder / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json"):
        capture_folder(folder)


def test_a_generator_of_tokens_is_refused(tmp_path):
    config = transformers.GPT2Config(
        n_embd=8, n_layer=1, n_head=2, vocab_size=20, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedOpError, match="token by token"):
        capture_folder(tmp_path)
