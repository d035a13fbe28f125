"""Images by recipe: arrays of gradients, shapes or noise, with labels that say what is on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from platform_core.synthetic.recipes.blocks import generator

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
ImageKind = Literal["gradient", "shapes", "noise"]
SHAPES = ("circle", "square", "triangle")


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """So many images of one size; `channels` is 1 (grey) or 3 (red, green, blue)."""

    name: str = "images"
    kind: ImageKind = "shapes"
    count: int = 10
    width: int = 32
    height: int = 32
    channels: int = 3


def images(recipe: ImageRecipe, seed: int) -> Iterator[tuple[str, Pixels]]:
    """Yield each image's label and pixels (height, width, channels); it follows from the seed and its number."""
    for number in range(recipe.count):
        yield image(recipe, generator(seed, recipe.name, recipe.kind, number))


def image(recipe: ImageRecipe, rng: np.random.Generator) -> tuple[str, Pixels]:
    """Draw one image, with its label: a shape's name, the direction of a gradient in degrees, or `noise`."""
    if recipe.kind == "noise":
        return "noise", rng.integers(0, 256, (recipe.height, recipe.width, recipe.channels), dtype=np.uint8)
    down, across = np.mgrid[0 : recipe.height, 0 : recipe.width]
    first, second = rng.integers(0, 256, (2, recipe.channels)).astype(float)
    if recipe.kind == "gradient":
        degrees = int(rng.integers(0, 360))
        direction = np.cos(np.radians(degrees)) * across + np.sin(np.radians(degrees)) * down
        spread = float(np.ptp(direction)) or 1.0
        share = ((direction - direction.min()) / spread)[..., None]
        return str(degrees), np.rint(first * (1 - share) + second * share).astype(np.uint8)
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    inside = _inside(shape, down, across, recipe, rng)[..., None]
    light = (second + 128) % 256  # so that the shape is never the colour of its ground
    return shape, np.where(inside, light, second).astype(np.uint8)


def _inside(
    shape: str,
    down: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    across: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    recipe: ImageRecipe,
    rng: np.random.Generator,
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    radius = max(1.0, min(recipe.width, recipe.height) * rng.uniform(0.2, 0.4))
    middle_down, middle_across = rng.uniform(radius, [recipe.height - radius, recipe.width - radius])
    y, x = down - middle_down, across - middle_across
    if shape == "circle":
        return np.asarray(x**2 + y**2 <= radius**2)
    if shape == "square":
        return np.asarray((abs(x) <= radius) & (abs(y) <= radius))
    return np.asarray((y <= radius) & (y >= -radius) & (abs(x) <= (y + radius) / 2))
