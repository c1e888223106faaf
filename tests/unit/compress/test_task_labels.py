"""Which number a class has, and which examples a split gets."""

import json

import numpy as np
import pytest
from PIL import Image
from text_folders import reviews, save_bert

from burnish.compress.network import build_model
from burnish.compress.tasks.csv_text import CSV_TEXT
from burnish.compress.tasks.goals import class_numbers
from burnish.compress.tasks.image_folder import ImageFolderConfig, ImageFolderTask
from burnish.compress.tasks.parts import deal
from burnish.compress.tasks.table import read_table
from burnish.errors import InputError

HEADED = "BertForSequenceClassification"


def write(path, texts, labels):
    rows = [",".join(row) for row in zip(texts, labels, strict=True)]
    path.write_text("\n".join(["text,label", *rows]))
    return path


def text_task(folder, labels, **head):
    save_bert(folder / "bert", HEADED, **head)
    texts, told = reviews(60)
    write(folder / "a.csv", texts, [labels[label] for label in told])
    return CSV_TEXT.configured(f"{folder}/a.csv,model={folder}/bert,max_length=12"), told


def test_a_saved_classifier_numbers_the_classes(tmp_path):
    # sorted, negative would be 0
    task, told = text_task(
        tmp_path, {"negative": "negative", "positive": "positive"}, id2label={0: "positive", 1: "negative"}
    )
    assert task.split("train").labels.sum() > 24 > 60 / 3  # the greater part is negative
    assert told.count("negative") == 40
    assert build_model(task).network.config.id2label[1] == "negative"


def test_names_that_a_head_has_by_default_mean_nothing(tmp_path):
    task, _ = text_task(tmp_path, {"negative": "negative", "positive": "positive"})
    assert task.split("train").labels.sum() < 24  # sorted: positive is 1


def test_numbers_of_the_classes_are_taken_as_such(tmp_path):
    task, _ = text_task(tmp_path, {"negative": "1", "positive": "0"}, id2label={0: "positive", 1: "negative"})
    assert task.split("train").labels.sum() > 24


def test_other_labels_than_those_of_the_classifier_are_refused(tmp_path):
    task, _ = text_task(
        tmp_path, {"negative": "bad", "positive": "good"}, id2label={0: "POSITIVE", 1: "NEGATIVE"}
    )
    with pytest.raises(InputError, match=r"POSITIVE, NEGATIVE.*bad, good"):
        task.split("train")


def fill(folder, counts):
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (8, 8), (number * 60, i, 0)).save(folder / name / f"{i:03d}.png")
    return folder


def vit(folder, **head):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=8,
        patch_size=4, **head,
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    return folder


def image_task(folder, **settings):
    return ImageFolderTask(ImageFolderConfig(folder=str(folder), pixels=8, **settings))


def test_a_saved_classifier_of_images_numbers_the_classes(tmp_path):
    model = vit(tmp_path / "vit", id2label={0: "dog", 1: "cat"})
    task = image_task(fill(tmp_path / "data", {"cat": 20, "dog": 20}), model=str(model))
    assert task.classes == ["dog", "cat"]
    build_model(task)


def test_images_of_other_classes_are_refused_where_the_head_stays(tmp_path):
    model = vit(tmp_path / "vit", id2label={0: "dog", 1: "wolf"})
    task = image_task(fill(tmp_path / "data", {"cat": 20, "dog": 20}), model=str(model))
    with pytest.raises(InputError, match=r"dog, wolf.*cat, dog"):
        task.split("train")


def test_a_head_that_is_replaced_has_no_say(tmp_path):
    model = vit(tmp_path / "vit", id2label={0: "dog", 1: "wolf", 2: "fox"})
    task = image_task(fill(tmp_path / "data", {"cat": 20, "dog": 20}), model=str(model))
    assert task.classes == ["cat", "dog"]
    build_model(task)


def test_weights_of_another_shape_are_refused(tmp_path):
    model = vit(tmp_path / "vit", num_labels=5)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    task = image_task(fill(tmp_path / "data", {"cat": 20, "dog": 20}), model=str(model))
    with pytest.raises(InputError, match=r"weight.* is \[.*architecture in config\.json"):
        build_model(task)


@pytest.mark.parametrize("name", ["val", "dev", "validation"])
def test_a_valid_split_may_have_the_usual_names(tmp_path, name):
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / name, {"a": 3, "b": 2})
    assert [len(image_task(tmp_path).split(part)) for part in ("train", "valid", "test")] == [18, 5, 2]


def test_a_valid_file_may_have_the_usual_names(tmp_path):
    bert = save_bert(tmp_path / "bert")
    texts, labels = reviews(60)
    write(tmp_path / "train.csv", texts, labels)
    write(tmp_path / "dev.csv", texts[:7], labels[:7])
    task = CSV_TEXT.configured(f"{tmp_path},model={bert},max_length=12")
    assert [len(task.split(name)) for name in ("train", "valid", "test")] == [54, 7, 6]


def test_two_valid_splits_are_refused(tmp_path):
    for name in ("train", "valid", "val"):
        fill(tmp_path / name, {"a": 10, "b": 10})
    with pytest.raises(InputError, match="holds both valid and val"):
        image_task(tmp_path).split("train")


def test_two_valid_files_are_refused(tmp_path):
    bert = save_bert(tmp_path / "bert")
    texts, labels = reviews(60)
    for name in ("train.csv", "valid.csv", "dev.tsv"):
        write(tmp_path / name, texts, labels)
    with pytest.raises(InputError, match=r"holds both valid\.csv and dev\.tsv"):
        CSV_TEXT.configured(f"{tmp_path},model={bert}").split("train")


def test_the_train_split_keeps_an_example_of_each_label():
    for rare in range(1, 4):
        labels = ["a"] * rare + ["b"] * 41 + ["c"] * rare + ["d"] * rare
        parts = deal(labels, len(labels), ["valid", "test"])
        assert {labels[row] for row in parts["train"]} == {"a", "b", "c", "d"}
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))


def test_the_label_that_has_too_few_is_named():
    with pytest.raises(InputError, match=r"none is left for the split 'valid'.*label"):
        deal(["a", "b"], 2, ["valid", "test"])


def test_odd_names_of_classes_are_names():
    classes, labels = class_numbers({"train": ["--1", "2", "-", "9" * 5000]})
    assert classes == sorted(["--1", "2", "-", "9" * 5000])
    assert sorted(labels["train"]) == [0, 1, 2, 3]
    assert class_numbers({"train": ["10", "9", "-1"]})[0] == ["-1", "9", "10"]
    assert class_numbers({"train": ["1", "01", "0"]})[0] == ["0", "01", "1"]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\na,1\n".encode("utf-8-sig"))
    assert read_table(path, delimiter=",", quoted=True).column("text") == ["a"]
