"""Putting a file on S3: the server itself compares its bytes with their checksum before it takes the key.

So what stood there stays unless the new object is right. The checksum is that of the whole file, also where it is sent
in parts: then it is compared when they are put together, and nothing has to be copied from one key to another.
"""

import base64
from pathlib import Path

from platform_resources.errors import NotVerified, ObjectUnavailable
from platform_resources.s3 import S3Settings
from platform_resources.storage.objects.address import Address
from platform_resources.storage.objects.attempts import explained
from platform_resources.transience import is_transient

_OTHER_BYTES = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}


def upload(path: Path, location: str, checksum: int, s3: S3Settings) -> None:
    """Upload the file as the object.

    Args:
        path: the file.
        location: the object's s3:// address.
        checksum: CRC-32 of the file, as it was when it was verified.
        s3: how S3 is reached.

    Raises:
        NotVerified: S3 received other bytes; what stood there stays.
        ObjectForbidden: S3 does not let these credentials do that, or does not know them.
        ObjectUnavailable: S3 did not answer as it should.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    address = Address.parse(location)
    arguments = {"ChecksumCRC32": _checksum_text(checksum), **s3.upload_arguments()}
    try:
        with path.open("rb") as file:
            s3.boto3_client().upload_fileobj(file, address.bucket, address.key, ExtraArgs=arguments)
    except (ClientError, BotoCoreError) as error:
        code = str(getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__))
        if code in _OTHER_BYTES:
            raise NotVerified(
                location, f"S3 received other bytes than were written ({code}); what stood there stays",
                fix="convert it again",
            ) from None  # fmt: skip
        if is_transient(error):
            raise ObjectUnavailable(address, s3.attempts, code) from None
        raise explained(error, address, s3) from None


def holds(location: str, checksum: int, s3: S3Settings) -> bool:
    """Return whether S3 says of an object that its bytes have the checksum; no server says so that compares none."""
    from botocore.exceptions import BotoCoreError, ClientError

    address = Address.parse(location)
    try:
        head = s3.boto3_client().head_object(Bucket=address.bucket, Key=address.key, ChecksumMode="ENABLED")
    except (ClientError, BotoCoreError):
        return False
    return head.get("ChecksumCRC32") == _checksum_text(checksum)


def _checksum_text(checksum: int) -> str:
    """Return the checksum as S3 writes it."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
