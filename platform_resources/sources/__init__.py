"""Where rows come from: files that land on disk or S3."""

from platform_resources.sources.landing import LandedFile, Landing, UnreadableFile, digest

__all__ = ["LandedFile", "Landing", "UnreadableFile", "digest"]
