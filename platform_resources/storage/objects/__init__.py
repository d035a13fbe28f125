"""Objects on S3: list, select, fetch, verify; and the doctor that tells what a bucket can be trusted with."""

from platform_resources.storage.objects.address import Address
from platform_resources.storage.objects.listing import S3Object, matching
from platform_resources.storage.objects.store import Downloaded, ObjectStore
from platform_resources.storage.objects.verifying import Verified

__all__ = ["Address", "Downloaded", "ObjectStore", "S3Object", "Verified", "matching"]
