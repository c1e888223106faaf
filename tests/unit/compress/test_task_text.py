"""Tasks of text: from a file and a network's folder to a trained network and its graph."""

import gzip

import numpy as np
import pytest
import torch
from text_folders import reviews, save_bert, save_tokenizer

from burnish.compress import TrainConfig, train
from burnish.compress.network import build_model, check_model, predict
from burnish.compress.tasks.csv_text import CSV_TEXT, HUGGINGFACE, TableTextConfig, TableTextTask
from burnish.compress.tasks.sst2 import TASK as SST2
from burnish.compress.tasks.sst2 import Sst2Source, Sst2Task
from burnish.compress.tasks.stsb import StsbSource, StsbTask
from burnish.compress.tasks.text_task import TextConfig
from burnish.errors import ConfigError, InputError, NotFoundError
from burnish.evaluate.hooks import dynamic_axes, figures, trimmed
from burnish.evaluate.task import Task, check_task
from burnish.graph.capture import capture

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "reviews.csv", *reviews(300))


@pytest.fixture
def reading(bert, table):
    """A task that reads the made-up reviews with the tiny BERT."""
    return TableTextTask("csv-text", "data", config(data=table, model=bert, max_length=12))


def config(**settings):
    return TableTextConfig(**{key: str(v) if key in ("data", "model") else v for key, v in settings.items()})


def write(path, texts, labels, *, delimiter=",", header="text,label"):
    lines = [header.replace(",", delimiter)]
    lines += [delimiter.join(row) for row in zip(texts, labels, strict=True)]
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_the_tasks_are_tasks():
    assert all(isinstance(task, Task) for task in (CSV_TEXT, HUGGINGFACE, SST2))
    assert [task.name for task in (CSV_TEXT, HUGGINGFACE, SST2)] == ["csv-text", "huggingface", "sst2"]


def test_one_file_is_dealt_to_three_parts_in_proportion(reading):
    check_task(reading)
    parts = {name: reading.split(name) for name in ("train", "valid", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 240, "valid": 30, "test": 30}
    assert {round(part.labels.mean(), 2) for part in parts.values()} == {0.33}
    again = TableTextTask("csv-text", "data", TableTextConfig(
        data=reading.source._config.data, model=reading.config.model, max_length=12
    ))  # fmt: skip
    assert again.split("valid").digest == parts["valid"].digest


def test_texts_become_padded_ids_and_padding_is_cut(reading):
    split = reading.split("train")
    assert {name: array.shape for name, array in split.inputs.items()} == {
        "input_ids": (240, 12), "attention_mask": (240, 12),
    }  # fmt: skip
    assert {array.dtype for array in split.inputs.values()} == {np.dtype(np.int64)}
    few = split.take(np.flatnonzero(reading.lengths(split) <= 5)[:4])
    cut = trimmed(reading, few)
    assert cut.inputs["input_ids"].shape[1] == reading.lengths(few).max() <= 5
    assert (cut.labels == few.labels).all()
    assert (few.inputs["input_ids"][:, cut.inputs["input_ids"].shape[1] :] == 0).all()


def test_a_network_learns_to_tell_texts(reading):
    model = build_model(reading)
    check_model(model, reading)
    settings = TrainConfig(epochs=6, batch_size=16, optimizer="adamw", learning_rate=5e-3, warmup=0.1)
    epochs = train(model, reading, settings)
    assert epochs[-1].valid_score > 0.9


def test_padding_does_not_change_an_answer_and_answers_keep_their_order(reading):
    model = build_model(reading).eval()
    split = reading.split("valid")
    with torch.inference_mode():
        untrimmed = model(*(torch.from_numpy(array) for array in split.inputs.values())).numpy()
    np.testing.assert_allclose(predict(model, reading, split)["logits"], untrimmed, atol=1e-5)


def test_a_captured_graph_takes_any_batch_and_length(reading):
    task = reading
    model, split = build_model(task), task.split("valid")
    graph = capture(
        model, split.take(np.arange(2)).inputs, output_names=task.output_names, dynamic=dynamic_axes(task)
    )
    assert graph.signature.input_names == ["input_ids", "attention_mask"]
    for rows in (np.arange(1), np.arange(7)):
        batch = trimmed(task, split.take(rows))
        answer = graph.infer(dict(batch.inputs))["logits"]
        np.testing.assert_allclose(answer, predict(model, task, split.take(rows))["logits"], atol=1e-5)
    assert "GatherND" not in graph.operators()  # what a mask that the exporter builds by index brings


def test_a_saved_classifier_keeps_its_head(reading, tmp_path):
    transformers = pytest.importorskip("transformers")
    save_bert(tmp_path, "BertForSequenceClassification")
    saved = transformers.BertForSequenceClassification.from_pretrained(tmp_path).eval()
    task = TableTextTask(
        "huggingface", "model", config(data=reading.source._config.data, model=tmp_path, max_length=12)
    )
    batch = task.split("valid").take(np.arange(5))
    with torch.no_grad():
        expected = saved(**{name: torch.tensor(array) for name, array in batch.inputs.items()}).logits
    answer = predict(build_model(task, seed=5), task, batch)["logits"]
    np.testing.assert_allclose(answer, expected.numpy(), atol=1e-5)


def test_a_head_for_other_labels_is_refused(reading, tmp_path):
    save_bert(tmp_path, "BertForSequenceClassification", num_labels=3)
    task = TableTextTask("csv-text", "data", config(data=reading.source._config.data, model=tmp_path))
    with pytest.raises(InputError, match="its head gives 3 outputs, the data want 2"):
        build_model(task)


def test_settings_stand_behind_the_name(bert, table):
    task = CSV_TEXT.configured(f"{table},model={bert},max_length=9")
    assert len(task.split("train").inputs["input_ids"][0]) == 9
    other = HUGGINGFACE.configured(f"{bert},data={table},max_length=9")
    assert other.split("train").digest == task.split("train").digest


@pytest.mark.parametrize(
    ("setting", "error", "expected"),
    [
        ("a.csv,modle=x", ConfigError, "task 'csv-text'.*unknown key 'modle'.*did you mean 'model'"),
        ("a.csv,max_length=many", ConfigError, "task 'csv-text'.*max_length"),
        ("a.csv,model", ConfigError, "'model' is not KEY=VALUE"),
        ("a.csv,max_length=1", ConfigError, "max_length must be at least 3"),
        ("a.csv,kind=number", ConfigError, "kind"),
    ],
)
def test_settings_that_are_wrong_are_named(setting, error, expected):
    with pytest.raises(error, match=expected):
        CSV_TEXT.configured(setting)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (SST2, "'sst2': its network is not named.*sst2:FOLDER"),
        (CSV_TEXT, "'csv-text': its network is not named"),
    ],
)
def test_a_task_without_its_settings_says_what_it_needs(task, expected):
    with pytest.raises(ConfigError, match=expected):
        build_model(task)


def test_a_network_without_data_says_what_it_needs(bert):
    with pytest.raises(ConfigError, match=r"'huggingface': its data is not named.*CSV or TSV"):
        HUGGINGFACE.configured(str(bert)).split("train")


def test_missing_files_are_named(bert, table, tmp_path):
    with pytest.raises(NotFoundError, match=r"nowhere\.csv: no such file"):
        CSV_TEXT.configured(f"{tmp_path}/nowhere.csv,model={bert}").split("train")
    with pytest.raises(NotFoundError, match="nowhere: no such folder"):
        CSV_TEXT.configured(f"{table},model={tmp_path}/nowhere").build_model()
    with pytest.raises(NotFoundError, match="holds no file of the train split"):
        CSV_TEXT.configured(f"{tmp_path},model={bert}").split("train")


def test_a_folder_without_a_tokenizer_is_refused(table, tmp_path):
    save_bert(tmp_path, tokenizer=False)
    task = CSV_TEXT.configured(f"{table},model={tmp_path}")
    with pytest.raises(NotFoundError, match=r"holds no tokenizer.*save_pretrained"):
        task.split("train")


def test_a_damaged_tokenizer_is_refused(table, tmp_path):
    save_bert(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="the tokenizer cannot be read"):
        CSV_TEXT.configured(f"{table},model={tmp_path}").split("train")


def test_a_folder_without_weights_is_refused(table, tmp_path):
    save_tokenizer(tmp_path)
    with pytest.raises(NotFoundError, match=r"holds no config\.json"):
        CSV_TEXT.configured(f"{table},model={tmp_path}").build_model()


def test_splits_may_be_files_of_their_own(bert, tmp_path):
    texts, labels = reviews(60)
    write(tmp_path / "train.tsv.gz", texts, labels, delimiter="\t")
    write(tmp_path / "test.csv", texts[:9], labels[:9])
    task = CSV_TEXT.configured(f"{tmp_path},model={bert},max_length=12")
    assert [len(task.split(name)) for name in ("train", "valid", "test")] == [54, 6, 9]


def test_mismatched_labels_are_refused(bert, tmp_path):
    texts, labels = reviews(60)
    write(tmp_path / "train.csv", texts, labels)
    write(tmp_path / "valid.csv", texts[:2], ["negative", "neutral"])
    write(tmp_path / "test.csv", texts[:2], labels[:2])
    with pytest.raises(InputError, match=r"'valid' has the label 'neutral'.*negative, positive"):
        CSV_TEXT.configured(f"{tmp_path},model={bert}").split("train")


def test_one_label_is_nothing_to_tell_apart(bert, tmp_path):
    write(tmp_path / "a.csv", ["good"] * 40, ["x"] * 40)
    with pytest.raises(InputError, match="all examples have the label 'x'"):
        CSV_TEXT.configured(f"{tmp_path}/a.csv,model={bert}").split("train")


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("7", "label 7, which is not between 0 and 5"),
        ("nan", "not between"),
        ("high", "'high', which is no number"),
    ],
)
def test_values_out_of_range_are_refused(bert, tmp_path, score, expected):
    write(tmp_path / "a.csv", ["good"] * 40, [*["2.5"] * 39, score])
    task = CSV_TEXT.configured(f"{tmp_path}/a.csv,model={bert},kind=value,highest=5")
    with pytest.raises(
        InputError, match=f"example .* has the {expected if 'label' in expected else 'label.*' + expected}"
    ):
        [task.split(name) for name in ("train", "valid", "test")]


def test_pairs_bring_segments_and_values_are_learnt(bert, tmp_path):
    texts, labels = reviews(200)
    rows = [f"{text},the film" for text in texts]
    write(
        tmp_path / "a.csv", rows, ["5" if label == "positive" else "1" for label in labels],
        header="text,other,label",
    )  # fmt: skip
    task = CSV_TEXT.configured(
        f"{tmp_path}/a.csv,model={bert},second=other,kind=value,highest=5,max_length=16"
    )
    split = task.split("train")
    assert list(split.inputs) == ["input_ids", "attention_mask", "token_type_ids"]
    assert set(np.unique(split.inputs["token_type_ids"])) == {0, 1}
    assert set(np.unique(split.labels)) == {np.float32(0.2), np.float32(1.0)}
    model = build_model(task)
    train(model, task, TrainConfig(epochs=12, batch_size=8, optimizer="adamw", learning_rate=1e-2))
    valid = task.split("valid")
    outputs = predict(model, task, valid)
    assert task.scores(outputs, valid.labels).mean() > 0.85
    assert figures(task, outputs, valid.labels)["pearson"] > 0.9


def test_sst2_reads_its_three_files(bert, tmp_path):
    for name in ("train_67k", "dev", "test_labeled"):
        write(
            tmp_path / f"{name}.tsv.gz", ['a "good" film', "bad plot"], ["1", "0"],
            delimiter="\t", header="sentence,label",
        )  # fmt: skip
    task = Sst2Task(TextConfig(model=str(bert), max_length=12), Sst2Source(tmp_path))
    check_task(task)
    assert task.split("test").labels.tolist() == [1, 0]


def test_a_sentiment_that_is_neither_is_refused(bert, tmp_path):
    write(tmp_path / "dev.tsv.gz", ["good", "bad"], ["1", "2"], delimiter="\t", header="sentence,label")
    task = Sst2Task(TextConfig(model=str(bert)), Sst2Source(tmp_path))
    with pytest.raises(InputError, match=r"row 2 has the label '2'"):
        task.split("valid")


def test_stsb_reads_its_three_files(bert, tmp_path):
    row = "main\tfile\t2012\t0001\t{}\tA good film.\tThe film is fine."
    for name in ("train", "dev", "test"):
        (tmp_path / f"sts-{name}.csv.gz").write_bytes(
            gzip.compress("\n".join(row.format(score) for score in ("5.000", "0.000", "2.5")).encode())
        )
    task = StsbTask(TextConfig(model=str(bert), max_length=16), StsbSource(tmp_path))
    check_task(task)
    assert task.split("valid").labels.tolist() == [1.0, 0.0, 0.5]
    check_model(build_model(task), task)


def test_the_data_folder_must_be_known(bert, monkeypatch):
    monkeypatch.delenv("BURNISH_DATA", raising=False)
    with pytest.raises(NotFoundError, match="set BURNISH_DATA"):
        SST2.configured(str(bert)).split("valid")
