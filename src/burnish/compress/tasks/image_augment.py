"""Images varied at random, as they are learnt from."""

import numpy as np

from burnish.graph.signature import Array


def shifted_and_mirrored(images_NCHW: Array, rng: np.random.Generator, *, shift: int) -> Array:  # noqa: N803 - the name carries the shape
    """Shift each image by up to some pixels in both directions, and mirror half of them.

    Args:
        images_NCHW: Images; what moves in at the edges is 0.
        rng: What is drawn from.
        shift: Pixels, at most.
    """
    count, _, height, width = images_NCHW.shape
    padded = np.pad(images_NCHW, ((0, 0), (0, 0), (shift, shift), (shift, shift)))
    corners = rng.integers(0, 2 * shift + 1, (2, count))
    rows = corners[0][:, None] + np.arange(height)
    columns = corners[1][:, None] + np.arange(width)
    mirrored = rng.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    places = np.arange(count)[:, None, None]
    moved = padded[places, :, rows[:, :, None], columns[:, None, :]]  # picked axes come first: NHWC
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))
