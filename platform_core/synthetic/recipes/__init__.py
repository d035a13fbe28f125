"""Data by recipe: tables, time series and images from a few words, stable under more rows, other chunks and columns."""

from platform_core.synthetic.recipes.images import ImageRecipe, images
from platform_core.synthetic.recipes.parsing import Recipes, recipes_of
from platform_core.synthetic.recipes.series import SeriesRecipe, series
from platform_core.synthetic.recipes.tables import TableRecipe, table_chunks, table_rows

__all__ = [
    "ImageRecipe", "Recipes", "SeriesRecipe", "TableRecipe", "images", "recipes_of", "series", "table_chunks",
    "table_rows",
]  # fmt: skip
