import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from burnish.compress.network import build_model, check_model, predict
from burnish.compress.tasks.image_augment import shifted_and_mirrored
from burnish.compress.tasks.image_folder import TASK, ImageFolderConfig, ImageFolderTask
from burnish.compress.tasks.parts import deal
from burnish.errors import ConfigError, InputError, NotFoundError
from burnish.evaluate.hooks import augmented
from burnish.evaluate.task import Task, check_task


def fill(folder, counts, *, size=(20, 14)):
    """Save images, each of one colour that differs by class."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (number * 100, i, 0)).save(folder / name / f"{i:03d}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "things", {"cat": 20, "dog": 40})


def of(folder, **settings):
    return ImageFolderTask(ImageFolderConfig(folder=str(folder), pixels=8, **settings))


def test_one_folder_is_dealt_to_three_parts_in_proportion(folder):
    task = of(folder)
    assert isinstance(task, Task)
    check_task(task)
    parts = {name: task.split(name) for name in ("train", "valid", "test")}
    assert {name: np.bincount(part.labels).tolist() for name, part in parts.items()} == {
        "train": [16, 32], "valid": [2, 4], "test": [2, 4],
    }  # fmt: skip
    assert task.classes == ["cat", "dog"]
    rows = np.concatenate([part.inputs["image"][:, :2, 0, 0] for part in parts.values()])
    assert len(np.unique(rows, axis=0)) == 60  # each image in one part
    assert parts["train"].inputs["image"].shape == (48, 3, 8, 8)
    assert parts["train"].inputs["image"].dtype == np.float32


def test_images_are_normalised_a_channel(folder):
    split = of(folder).split("train")
    cats = split.inputs["image"][split.labels == 0]
    dogs = split.inputs["image"][split.labels == 1]
    np.testing.assert_allclose(cats[:, 0], (0 - 0.485) / 0.229, rtol=1e-4)
    np.testing.assert_allclose(dogs[:, 0], (100 / 255 - 0.485) / 0.229, rtol=1e-4)


def test_splits_may_be_folders_of_their_own(tmp_path):
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / "test", {"a": 3, "b": 2})
    task = of(tmp_path)
    assert [len(task.split(name)) for name in ("train", "valid", "test")] == [18, 2, 5]


def test_a_network_fits_the_classes(folder):
    task = of(folder)
    model = build_model(task)
    check_model(model, task)
    assert predict(model, task, task.split("test"))["logits"].shape == (6, 2)


def test_a_saved_classifier_gets_a_head_for_the_classes(folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=8,
        patch_size=4, num_labels=5,
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    task = of(folder, model=str(tmp_path / "vit"))
    check_model(build_model(task), task)
    assert predict(build_model(task), task, task.split("test"))["logits"].shape == (6, 2)


def test_settings_stand_behind_the_name(folder):
    task = TASK.configured(f"{folder},pixels=16")
    assert task.split("valid").inputs["image"].shape[2:] == (16, 16)


@pytest.mark.parametrize(
    ("make", "error", "expected"),
    [
        (lambda path: TASK, ConfigError, "its folder is not named.*image-folder:FOLDER"),
        (lambda path: of(path / "none"), NotFoundError, "none: no such folder"),
        (lambda path: of(path), InputError, "holds no folder of a class"),
        (lambda path: of(fill(path, {"a": 4, "b": 0})), InputError, "b: holds no image.*.png"),
        (lambda path: of(fill(path, {"a": 40})), InputError, "all examples have the label 'a'"),
        (lambda path: of(fill(path, {"a": 1, "b": 1})), InputError, "too few"),
    ],
)
def test_bad_folders_say_what_is_wrong(tmp_path, make, error, expected):
    with pytest.raises(error, match=expected):
        make(tmp_path).split("train")


def test_a_damaged_image_is_named(folder):
    (folder / "cat" / "003.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"003\.png: is no image that can be read"):
        [of(folder).split(name) for name in ("train", "valid", "test")]


def test_a_class_that_was_never_learnt_is_refused(tmp_path):
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / "valid", {"a": 3, "c": 2})
    with pytest.raises(InputError, match="'valid' has the label 'c', which the train split has not"):
        of(tmp_path).split("valid")


def test_more_than_the_memory_holds_is_refused(folder):
    task = ImageFolderTask(ImageFolderConfig(folder=str(folder), pixels=10_000_000))
    with pytest.raises(InputError, match=r"of which .* are free.*fewer pixels"):
        task.split("train")


@given(seed=st.integers(0, 1000), shift=st.integers(0, 3))
def test_a_varied_image_is_a_moved_or_mirrored_one(seed, shift):
    images = np.arange(1, 1 + 2 * 2 * 4 * 5, dtype=np.float32).reshape(2, 2, 4, 5)
    varied = shifted_and_mirrored(images, np.random.default_rng(seed), shift=shift)
    assert varied.shape == images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
    for image, whole in zip(varied, padded, strict=True):
        places = [
            whole[:, y : y + 4, x : x + 5][:, :, ::way]
            for y in range(2 * shift + 1)
            for x in range(2 * shift + 1)
            for way in (1, -1)
        ]
        assert any(np.array_equal(image, place) for place in places)


def test_labels_stay_with_their_images(folder):
    task = of(folder)
    batch = task.split("valid")
    varied = augmented(task, batch, np.random.default_rng(0))
    assert (varied.labels == batch.labels).all()
    assert varied.inputs["image"].flags.c_contiguous


@given(
    count=st.integers(30, 200),
    kinds=st.integers(1, 4),
    splits=st.sampled_from([["valid"], ["valid", "test"]]),
)
def test_dealt_parts_are_disjoint_and_whole(count, kinds, splits):
    parts = deal([str(i % kinds) for i in range(count)], count, splits)
    assert set(parts) == {"train", *splits}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    assert all(abs(len(parts[name]) - count / 10) <= 1 for name in splits)
