"""Every channel speaks to a real sink on loopback, and says what a refusal means."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from platform_resources.alerts import ChannelRefused
from platform_resources.alerts.channels.mail import MailChannel
from platform_resources.alerts.channels.pagerduty import PagerDutyChannel
from platform_resources.alerts.channels.slack import SlackChannel
from platform_resources.alerts.channels.sns import SnsChannel
from platform_resources.alerts.channels.webhook import AppriseChannel, WebhookChannel
from tests.resources.alerts.sinks import HttpSink, http_sink, mail_sink

MESSAGE: dict[str, Any] = {
    "id": "20260101-1/team/1", "event": "opened", "incident": "20260101-1", "title": "[error] shop/sales: check <b>",
    "text": "shop/sales: check x does not hold\n\nowner: team:shop", "severity": "error", "root": "shop/sales",
    "owner": "team:shop", "since": "2026-01-01T00:00:00+00:00", "at": "2026-01-01T00:01:00+00:00", "affected": 0,
    "below": 1, "link": "http://dagster.test/assets/shop/sales", "alerts": [],
}  # fmt: skip
RECOVERED = {**MESSAGE, "event": "recovered", "id": "20260101-1/team/2"}


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as made:
        yield made


def test_slack_gets_title_text_link_and_no_markup_of_ours(sink: HttpSink) -> None:
    SlackChannel(name="team", url=f"{sink.url}/services/T/B/secret").send(MESSAGE)
    ((path, _, body),) = sink.posts
    document = json.loads(body)
    assert path == "/services/T/B/secret"
    assert document["text"] == "[error] shop/sales: check &lt;b&gt;"
    assert document["attachments"][0]["blocks"][2]["elements"][0]["url"] == MESSAGE["link"]


def test_pagerduty_triggers_and_resolves_under_the_incident() -> None:
    with http_sink(status=202) as sink:
        pager = PagerDutyChannel(name="pager", key="routing", url=f"{sink.url}/v2/enqueue")
        pager.send(MESSAGE)
        pager.send(RECOVERED)
        events = [json.loads(body) for _, _, body in sink.posts]
    assert [(event["event_action"], event["dedup_key"]) for event in events] == [
        ("trigger", "20260101-1"), ("resolve", "20260101-1"),
    ]  # fmt: skip


def test_a_webhook_is_signed_and_can_drop_a_second_sending(sink: HttpSink) -> None:
    WebhookChannel(name="hook", url=sink.url, secret="key").send(MESSAGE)
    ((_, headers, body),) = sink.posts
    assert headers["Idempotency-Key"] == MESSAGE["id"]
    assert headers["X-Signature-256"] == f"sha256={hmac.new(b'key', body, hashlib.sha256).hexdigest()}"
    assert json.loads(body) == MESSAGE


def test_mail_is_one_thread_an_incident() -> None:
    with mail_sink() as sink:
        channel = MailChannel(name="mail", host="127.0.0.1", port=sink.port, sender="p@x.test", to=["a@x.test"])
        channel.send(MESSAGE)
        channel.send(RECOVERED)
    (to, first), (_, second) = sink.mails
    assert (to, first["Subject"]) == (["a@x.test"], MESSAGE["title"])
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]


def test_mail_that_one_recipient_refuses_is_taken_and_says_so() -> None:
    with mail_sink() as sink:
        to = ["a@x.test", "nobody@x.test"]
        with pytest.raises(ChannelRefused, match="1 of 2 recipients") as refused:
            MailChannel(name="mail", host="127.0.0.1", port=sink.port, sender="p@x.test", to=to).send(MESSAGE)
        with pytest.raises(ChannelRefused, match="every recipient") as unheard:
            MailChannel(name="m", host="127.0.0.1", port=sink.port, sender="p@x.test", to=to[1:]).send(MESSAGE)
    assert (refused.value.taken, unheard.value.taken, unheard.value.lasting) == (True, False, True)
    assert len(sink.mails) == 1


def test_sns_hands_the_message_to_its_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        sns, sqs = (boto3.client(each, region_name="us-east-1", endpoint_url=endpoint) for each in ("sns", "sqs"))
        topic = sns.create_topic(Name="alerts")["TopicArn"]
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        SnsChannel(name="topic", topic=topic, region="us-east-1", endpoint=endpoint).send(MESSAGE)
        (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        missing = SnsChannel(name="topic", topic=f"{topic}-gone", region="us-east-1", endpoint=endpoint)
        with pytest.raises(ChannelRefused, match="NotFound") as refused:
            missing.send(MESSAGE)
    finally:
        server.stop()
    assert json.loads(json.loads(received["Body"])["Message"])["incident"] == "20260101-1"
    assert refused.value.lasting


def test_apprise_reaches_what_it_knows_and_says_when_it_does_not(sink: HttpSink) -> None:
    channel = AppriseChannel(name="other", url=f"json://{sink.url.removeprefix('http://')}/hook")
    channel.send(MESSAGE)
    assert json.loads(sink.posts[0][2])["title"] == MESSAGE["title"]
    sink.answers.append((500, {}))
    with pytest.raises(ChannelRefused):
        channel.send(MESSAGE)


@pytest.mark.parametrize(("status", "lasting"), [(429, False), (503, False), (401, True), (404, True), (302, True)])
def test_a_refusal_says_whether_it_lasts_and_how_long_to_wait(sink: HttpSink, status: int, lasting: bool) -> None:
    sink.answers.append((status, {"Retry-After": "7"}))
    with pytest.raises(ChannelRefused, match=str(status)) as refused:
        WebhookChannel(name="hook", url=f"{sink.url}/secret-path").send(MESSAGE)
    assert (refused.value.lasting, refused.value.retry_after) == (lasting, 7.0)
    assert "secret-path" not in str(refused.value)


def test_silence_and_a_closed_door_are_refusals_that_pass(sink: HttpSink) -> None:
    sink.hangs = threading.Event()
    with pytest.raises(ChannelRefused, match=r"no answer within 0\.2 s"):
        WebhookChannel(name="hook", url=sink.url, timeout=0.2).send(MESSAGE)
    sink.hangs.set()
    with pytest.raises(ChannelRefused, match="no connection") as refused:
        WebhookChannel(name="hook", url="http://127.0.0.1:1/secret").send(MESSAGE)
    assert not refused.value.lasting
    assert "secret" not in str(refused.value)
