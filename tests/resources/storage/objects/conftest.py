"""Two lanes of S3 for the same tests: moto everywhere, versitygw where the machine has it; a fresh prefix each."""

import uuid
from collections.abc import Iterator

import pytest

from platform_resources.storage.objects import Address, ObjectStore
from tests.servers import S3Server, real_s3_server, s3_server, versitygw

LANES = ("moto", "versitygw")
RANGE_BYTES = 1 << 16  # small, so that small objects have many


@pytest.fixture(scope="session", params=LANES, ids=lambda lane: f"lane-{lane}")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server of each lane; the test's name says which."""
    if request.param == "moto":
        with s3_server() as made:
            yield made
        return
    if versitygw() is None:
        pytest.skip("no versitygw on PATH and none named by VERSITYGW; .ci/versitygw builds one with Go")
    with real_s3_server(tmp_path_factory.mktemp("versitygw")) as made:
        yield made


@pytest.fixture
def store(server: S3Server) -> ObjectStore:
    return ObjectStore(server.settings, range_bytes=RANGE_BYTES)


@pytest.fixture
def place(server: S3Server) -> Address:
    """A prefix that no other test uses."""
    return Address(server.bucket, f"{uuid.uuid4().hex}/")


class Bucket:
    """What a pipeline leaves on S3."""

    def __init__(self, server: S3Server, place: Address) -> None:
        self.client, self.place, self.server = server.settings.boto3_client(), place, server

    def put(self, name: str, content: bytes = b"content", **more: object) -> str:
        key = f"{self.place.key}{name}"
        self.client.put_object(Bucket=self.place.bucket, Key=key, Body=content, **more)  # type: ignore[arg-type]
        return f"s3://{self.place.bucket}/{key}"

    def put_parts(self, name: str, parts: list[bytes], **more: object) -> str:
        """Uploads in parts, all but the last of 5 MiB or more, as S3 asks for."""
        where = {"Bucket": self.place.bucket, "Key": f"{self.place.key}{name}"}
        made = self.client.create_multipart_upload(**where, **more)["UploadId"]  # type: ignore[arg-type]
        done = []
        for number, content in enumerate(parts, 1):
            answer = self.client.upload_part(**where, UploadId=made, PartNumber=number, Body=content, **more)  # type: ignore[arg-type]
            told = {name: value for name, value in answer.items() if more and name.startswith("Checksum")}
            done.append({"ETag": answer["ETag"], "PartNumber": number, **told})
        self.client.complete_multipart_upload(**where, UploadId=made, MultipartUpload={"Parts": done})  # type: ignore[typeddict-item]
        return f"s3://{where['Bucket']}/{where['Key']}"


@pytest.fixture
def bucket(server: S3Server, place: Address) -> Bucket:
    return Bucket(server, place)
