"""A letter that lies in a bucket beside the lake."""

import dagster as dg
from dagster_aws.s3 import S3Resource


@dg.asset
def letter(s3: S3Resource) -> None:
    """Written through the door that the settings open."""
    s3.get_client().put_object(Bucket="lake", Key="letters/first.txt", Body=b"dear reader")
