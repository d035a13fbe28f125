"""The push gateway over HTTP: POST /datasets/{domain}/{dataset}. It parses, asks the desk, and answers.

Errors are problem documents (RFC 9457). A body is bounded while it comes, and so is the number of requests at work; who
comes above that is asked to wait. Answers quote nothing of a record.
"""

# ruff: noqa: PLC0415 - FastAPI takes half a second to import, and only this door needs it

import hashlib
import json
import re
import threading
from typing import TYPE_CHECKING, Any

from platform_assets.operations.push import MOST_RECORDS, Answer, PushDesk, Refused
from platform_resources.errors import ResourceError
from platform_resources.readers.arrow_stream import ArrowRefused, read_arrow_stream
from platform_resources.sinks.base import as_documents
from platform_resources.telemetry import open_span

if TYPE_CHECKING:
    from fastapi import FastAPI

_UNFOLDED = 100
"""How many times its size a body of Arrow may come to once texts of a dictionary stand in each row."""
_BLANK = re.compile(r"[ \t\r\n]*")
_CONTENT = {
    kind: {"schema": schema}
    for kind, schema in {
        "application/json": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
        "application/x-ndjson": {"type": "string"},
        "application/vnd.apache.arrow.stream": {"type": "string", "format": "binary"},
        "application/cloudevents+json": {"type": "object"},
        "application/cloudevents-batch+json": {"type": "array", "items": {"type": "object"}},
    }.items()
}
_PROBLEM = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "Durable: accepted, quarantined and refused records."},
    **{
        status: {"description": text, **_PROBLEM}
        for status, text in {
            400: "The body is not what its type says.", 401: "No token, or an unknown one.",
            403: "The token is for other datasets.", 404: "No dataset that takes messages.",
            409: "The same key is being answered.", 413: "Too large, or too many records.",
            415: "Another type than these.", 422: "All records were refused, or a key with another body.",
            429: "Too many requests at work, or more records than the token's rate.",
            503: "The worker is behind, or the log cannot be written.",
        }.items()
    },
}  # fmt: skip


def build_gateway(desk: PushDesk, *, most_bytes: int = 8 << 20, most_requests: int = 16) -> "FastAPI":
    """Build the application.

    Args:
        desk: What judges and keeps records.
        most_bytes: Of a body.
        most_requests: At work at once; others are answered 429.
    """
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response

    app = FastAPI(title="Push gateway", version="1", docs_url=None, redoc_url=None)
    places = threading.BoundedSemaphore(most_requests)

    async def receive(request: Request, domain: str, dataset: str) -> Response:
        if not places.acquire(blocking=False):
            raise Refused(429, "Too many requests", f"{most_requests} are at work.", retry_after=1)
        try:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            secret = token.strip() if scheme.lower() == "bearer" else ""
            declared = await run_in_threadpool(desk.admit, secret, f"{domain}/{dataset}")
            body = await _body(request, most_bytes)
            records, key = await run_in_threadpool(_records, request.headers, body)
            desk.spend(secret, len(records))
            parent = request.headers.get("traceparent", "")
            facts = {"dataset": declared.name}
            with open_span(desk.location.settings, "push", parent=parent, attributes=facts) as span:
                answer = await run_in_threadpool(desk.push, declared, records, key=key, body=body)
                span.set(records=len(records), accepted=answer.accepted)
            return JSONResponse(answer.facts(), _status(answer), headers=_answer_headers(answer))
        finally:
            places.release()

    # FastAPI reads the annotations, which name classes that are imported in this function
    receive.__annotations__ = {"request": Request, "domain": str, "dataset": str, "return": Response}
    app.add_api_route(
        "/datasets/{domain}/{dataset}", receive, methods=["POST"], status_code=202, responses=_ANSWERS,
        openapi_extra={
            "requestBody": {"required": True, "content": _CONTENT},
            "security": [{"token": []}],
            "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
        },
    )  # fmt: skip

    async def refuse(_: Request, error: Exception) -> Response:
        if not isinstance(error, Refused):
            raise error
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        if error.status == 401:  # noqa: PLR2004 - RFC 9110 wants the scheme
            headers["WWW-Authenticate"] = "Bearer"
        problem = {"type": "about:blank", "title": error.title, "status": error.status, "detail": error.detail}
        return JSONResponse(problem, error.status, headers, media_type="application/problem+json")

    async def fail(_: Request, error: Exception) -> Response:
        problem = {"type": "about:blank", "title": "Not kept", "status": 503, "detail": type(error).__name__}
        return JSONResponse(problem, 503, {"Retry-After": "5"}, media_type="application/problem+json")

    app.add_exception_handler(Refused, refuse)
    app.add_exception_handler(OSError, fail)
    app.add_exception_handler(ResourceError, fail)
    return app


def _status(answer: Answer) -> int:
    return 422 if answer.refused and not answer.accepted and not answer.quarantined else 202


def _answer_headers(answer: Answer) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if answer.is_repeated else {}


async def _body(request: Any, most_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "Packed body", "Send it without Content-Encoding.")
    too_large = Refused(413, "Body too large", f"Send at most {most_bytes:,} bytes at once.")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise too_large
    return b"".join(parts)


def _records(headers: Any, body: bytes) -> tuple[list[bytes], str]:
    """Return the records of a body as JSON each, and the idempotency key of the request.

    Raises:
        Refused: 400 where the body is not of its type, 415 for another type.
    """
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    key = headers.get("idempotency-key", "")
    if len(key) > 255:  # noqa: PLR2004 - a key is no place for a payload
        raise Refused(400, "Key too long", "Send an Idempotency-Key of at most 255 characters.")
    if kind in {"application/x-ndjson", "application/jsonl", "application/jsonlines"}:
        return [line for line in body.splitlines() if line.strip()], key
    if kind == "application/vnd.apache.arrow.stream":
        try:
            return as_documents(read_arrow_stream(body, most_rows=MOST_RECORDS, most_bytes=_UNFOLDED * len(body))), key
        except ArrowRefused as error:
            raise Refused(400, "No Arrow stream", str(error)) from None
    if kind not in {"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"}:
        raise Refused(415, "Unknown type", f"Send one of {', '.join(_CONTENT)}.")
    try:
        texts = _elements(body.decode())
        if kind == "application/json":
            if headers.get("ce-id") and headers.get("ce-source") and not key:
                key = f"{headers['ce-source']} {headers['ce-id']}"
            return [text.encode() for text in texts], key
        events = [json.loads(text) for text in texts]
    except (ValueError, RecursionError):
        raise Refused(400, "No JSON", "The body is no JSON document.") from None
    ids = [_event_id(event) for event in events]
    data = [json.dumps(event.get("data"), ensure_ascii=False).encode() for event in events]
    return data, key or hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _elements(text: str) -> list[str]:
    """Return the elements of a JSON array as they are written, so that no number is rounded.

    Of another document itself.
    """
    decoder, at = json.JSONDecoder(), _BLANK.match(text).end()  # type: ignore[union-attr] # it matches nothing, too
    if text[at : at + 1] != "[":
        json.loads(text)
        return [text]
    elements: list[str] = []
    at = _BLANK.match(text, at + 1).end()  # type: ignore[union-attr]
    if text[at : at + 1] == "]":
        json.loads(text)
        return []
    while True:
        _, end = decoder.raw_decode(text, at)
        elements.append(text[at:end])
        following = _BLANK.match(text, end).end()  # type: ignore[union-attr]
        if text[following : following + 1] != ",":
            if text[following:].strip(" \t\r\n") != "]":
                raise ValueError(text[following : following + 1])
            return elements
        at = _BLANK.match(text, following + 1).end()  # type: ignore[union-attr]


def _event_id(event: Any) -> str:
    """Source and id of a CloudEvent 1.0, which together are unique."""
    required = ("specversion", "id", "source", "type")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) and event[name] for name in required):
        raise Refused(400, "No CloudEvent", f"An event has the texts {', '.join(required)}.")
    return f"{event['source']} {event['id']}"
