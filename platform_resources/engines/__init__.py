"""Engines that compute outside Polars. They are given Arrow and give Arrow back; none of them downloads anything."""
