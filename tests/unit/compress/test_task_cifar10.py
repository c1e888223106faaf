"""CIFAR-10 in both forms that it is read from, on a few made-up images."""

import numpy as np
import pytest
import torch

from burnish.compress.network import build_model, check_model
from burnish.compress.tasks import cifar10
from burnish.compress.tasks.cifar10 import Cifar10Task
from burnish.compress.tasks.image_networks import ResNet18, SlimResNet
from burnish.errors import InputError, NotFoundError
from burnish.evaluate.task import check_task

PER_BATCH = 50


@pytest.fixture(autouse=True)
def _few_held_out(monkeypatch):
    monkeypatch.setattr(cifar10, "_VALID", 30)


def _images(seed, count=PER_BATCH):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3, 32, 32), np.uint8), rng.integers(0, 10, count).astype(np.uint8)


@pytest.fixture
def parts():
    return [_images(seed) for seed in range(6)]  # five to learn from, one to test


@pytest.fixture
def binary(tmp_path, parts):
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name, (images, labels) in zip(names, parts, strict=True):
        (tmp_path / name).write_bytes(
            b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))
        )
    return tmp_path


@pytest.fixture
def sheets(tmp_path, parts):
    from PIL import Image

    folder = tmp_path / "sheets"
    folder.mkdir()
    names = [f"train{i}.webp" for i in range(1, 6)] + ["test.webp"]
    for name, (images, _) in zip(names, parts, strict=True):
        row = images.transpose(2, 0, 3, 1).reshape(32, 50 * 32, 3)
        Image.fromarray(row).save(folder / name, lossless=True, exact=True)
    labels = [told for _, told in parts]
    np.savez(folder / "labels.npz", train=np.concatenate(labels[:5]), test=labels[5])
    return folder


def test_both_forms_hold_the_same(binary, sheets):
    one, other = Cifar10Task(folder=binary), Cifar10Task(folder=sheets)
    for name in ("train", "valid", "test"):
        assert one.split(name).digest == other.split(name).digest


def test_pixels_and_labels_are_those_of_the_file(binary, parts):
    test = Cifar10Task(folder=binary).split("test")
    mean, std = np.array(cifar10._MEAN)[:, None, None], np.array(cifar10._STD)[:, None, None]
    np.testing.assert_allclose(test.inputs["image"] * std + mean, parts[5][0] / 255, atol=1e-6)
    assert test.labels.tolist() == parts[5][1].tolist()


@pytest.mark.parametrize(("source", "sizes"), [("train", (220, 30, 50)), ("test", (250, 30, 20))])
def test_the_valid_split_is_held_out_of_one_source(binary, source, sizes):
    task = Cifar10Task(folder=binary, valid_from=source)
    splits = [task.split(name) for name in ("train", "valid", "test")]
    assert tuple(map(len, splits)) == sizes
    images = np.concatenate([split.inputs["image"].reshape(len(split), -1) for split in splits])
    assert len(np.unique(images, axis=0)) == sum(sizes)  # no image is in two splits
    check_task(task)


def test_augmenting_shifts_and_mirrors_and_keeps_labels(binary):
    batch = Cifar10Task(folder=binary).split("train").take(np.arange(40))
    task = Cifar10Task(folder=binary)
    moved = task.augment(batch, np.random.default_rng(0))
    again = task.augment(batch, np.random.default_rng(0))
    assert moved.labels.tolist() == batch.labels.tolist()
    np.testing.assert_array_equal(moved.inputs["image"], again.inputs["image"])
    for before, after in zip(batch.inputs["image"], moved.inputs["image"], strict=True):
        assert any(_is_moved(before, after, mirror) for mirror in (False, True))


def _is_moved(before, after, mirror):
    """Whether one image is another, shifted by up to four pixels each way and perhaps mirrored."""
    padded = np.pad(before, ((0, 0), (4, 4), (4, 4)))
    if mirror:
        after = after[:, :, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 32, 32))[0]
    return bool((windows == after).all(axis=(2, 3, 4)).any())


def test_smaller_images_keep_their_mean(binary):
    small = Cifar10Task(folder=binary, pixels=16).split("test").inputs["image"]
    full = Cifar10Task(folder=binary).split("test").inputs["image"]
    assert small.shape == (50, 3, 16, 16)
    np.testing.assert_allclose(small.mean((2, 3)), full.mean((2, 3)), atol=0.05)


def test_a_file_cut_short_is_told(binary):
    path = binary / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"data_batch_3.bin: .* bytes are no whole number of records"):
        Cifar10Task(folder=binary).split("train")


def test_labels_that_do_not_match_are_told(sheets):
    np.savez(sheets / "labels.npz", train=np.zeros(3, np.uint8), test=np.zeros(50, np.uint8))
    with pytest.raises(InputError, match="250 images of train but 3 labels"):
        Cifar10Task(folder=sheets).split("train")


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError, match=r"holds neither data_batch_1\.bin nor train1\.webp"):
        Cifar10Task(folder=tmp_path).split("train")


def test_without_a_data_folder_the_variable_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("BURNISH_DATA", raising=False)
    with pytest.raises(NotFoundError, match="the data folder is not known") as caught:
        Cifar10Task().split("train")
    assert "BURNISH_DATA" in caught.value.hint
    monkeypatch.setenv("BURNISH_DATA", str(tmp_path))
    with pytest.raises(NotFoundError, match="no such file"):
        Cifar10Task().split("train")


@pytest.mark.parametrize("network", [ResNet18, lambda: SlimResNet(3)])
def test_both_networks_fit_the_task(binary, network):
    task = Cifar10Task(network, folder=binary)
    check_model(build_model(task), task)


def test_networks_have_the_published_sizes():
    count = lambda model: sum(p.numel() for p in model.parameters())  # noqa: E731
    assert round(count(ResNet18()) / 1e6, 1) == 11.2
    # He et al. 2016, table 6: 0.27M and 0.66M
    assert round(count(SlimResNet(3)) / 1e6, 2) == 0.27
    assert round(count(SlimResNet(7)) / 1e6, 2) == 0.66


def test_a_slim_shortcut_skips_pixels_and_adds_zeros():
    block = SlimResNet(1).layer2[0].eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(1, 16, 8, 8)
    y = block(x)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any()
    assert not y[:, 24:].any()
