"""A home for values that are not tables: models, arrays, documents, pickled by Dagster's own IO managers.

Those refuse a run that covers several partitions ("single run" backfills). Here such a run stores under each of its
partitions: a dict keyed by exactly these partitions is dealt out, any other value is stored under every one.
"""

import io
import pickle
from typing import Any

import dagster as dg
from dagster._core.storage.fs_io_manager import PickledObjectFilesystemIOManager
from dagster._core.storage.upath_io_manager import UPathIOManager
from dagster_aws.s3.io_manager import PickledObjectS3IOManager
from upath import UPath

from platform_resources.s3 import bucket_and_key
from platform_resources.settings import S3Settings, Settings

FOLDER = "_objects"


class _SingleRunBackfills(UPathIOManager):
    """Stores the output of a run over several partitions."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store the value under each partition of the run."""
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else []
        if len(keys) <= 1:
            super().handle_output(context, obj)
            return
        values = obj if isinstance(obj, dict) and set(obj) == set(keys) else dict.fromkeys(keys, obj)
        for key, path in self._get_paths_for_partitions(context).items():
            self.make_directory(path.parent)
            self.dump_to_path(context, values[key], path)


class DiskValues(_SingleRunBackfills, PickledObjectFilesystemIOManager):
    """Values in a folder; a killed run leaves the earlier one, not half of the new one."""

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        """Put the pickle in the earlier one's place."""
        draft = path.with_name(f".tmp-{context.run_id}-{path.name}")
        super().dump_to_path(context, obj, draft)
        draft.replace(path)


class S3Values(_SingleRunBackfills, PickledObjectS3IOManager):
    """Values in a bucket, by dagster-aws, encrypted with the KMS key of the settings."""

    def __init__(self, place: str, s3: S3Settings) -> None:
        bucket, prefix = bucket_and_key(place)
        super().__init__(s3_bucket=bucket, s3_session=s3.boto3_client(), s3_prefix=prefix)
        self.upload_arguments = s3.upload_arguments()

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:  # noqa: ARG002 - Dagster's signature
        """Upload the pickle."""
        content = io.BytesIO(pickle.dumps(obj, pickle.HIGHEST_PROTOCOL))
        self.s3.upload_fileobj(content, self.bucket, path.as_posix(), ExtraArgs=self.upload_arguments)


def values_of(settings: Settings) -> dg.IOManager:
    """Return the home of values beside the tables of the settings' lake."""
    place = f"{settings.tables_root}/{FOLDER}"
    if not place.startswith("s3://"):
        return DiskValues(base_dir=place)  # type: ignore[no-untyped-call]  # Dagster left it untyped
    return S3Values(place, settings.s3)
