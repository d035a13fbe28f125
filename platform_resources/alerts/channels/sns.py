"""Amazon SNS: one topic, whose subscribers are AWS's to know."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_resources.alerts.channels.base import ChannelRefused

_SUBJECT = 100


@dataclass(frozen=True, kw_only=True)
class SnsChannel:
    """Publishes the message as JSON with its text for mail; in a FIFO topic the id keeps a second sending out."""

    name: str
    topic: str
    region: str
    endpoint: str | None = None

    def send(self, document: Mapping[str, Any]) -> None:
        """Return when SNS took the message."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        configuration = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        client = boto3.client("sns", region_name=self.region, endpoint_url=self.endpoint, config=configuration)
        fifo = {"MessageGroupId": document["incident"], "MessageDeduplicationId": _deduplication(document["id"])}
        ascii_title = str(document["title"]).encode("ascii", "replace").decode()
        try:
            client.publish(
                TopicArn=self.topic,
                Subject=" ".join(ascii_title.split())[:_SUBJECT],
                MessageStructure="json",
                Message=json.dumps({"default": json.dumps(dict(document)), "email": document["text"]}),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": str(document[name])} for name in ("severity", "event")
                },
                **(fifo if self.topic.endswith(".fifo") else {}),
            )
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
            code = error.response.get("Error", {}).get("Code", "")
            lasting = 400 <= status < 500 and code not in {"Throttling", "Throttled"}  # noqa: PLR2004 - HTTP
            raise ChannelRefused(self.name, f"answered {status} {code}", lasting=lasting) from None
        except BotoCoreError as error:
            raise ChannelRefused(self.name, f"no connection ({type(error).__name__})") from None


def _deduplication(id_: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in id_)[:128]
