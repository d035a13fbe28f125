"""The catalog for assistants: the Model Context Protocol as plain JSON-RPC, over HTTP or lines; it only reads.

The protocol's own library brings a dozen packages for what are four methods here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.operations.catalog import PlatformCatalog
from platform_assets.operations.catalog_search import SearchQuery
from platform_assets.operations.errors import RequestError
from platform_core.errors import CoreError
from platform_resources.errors import ResourceError

_PROTOCOLS = ("2025-06-18", "2025-03-26", "2024-11-05")
_INVALID, _NO_METHOD, _WRONG_PARAMETERS, _PARSE = -32600, -32601, -32602, -32700
_TEXT = {"type": "string"}


@dataclass(frozen=True)
class _Tool:
    description: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    call: Callable[[PlatformCatalog, Mapping[str, Any]], Any]


_TOOLS: Mapping[str, _Tool] = {
    "search_datasets": _Tool(
        "Find datasets by text, tag, owner, domain, glossary term, state or least quality score.",
        {**dict.fromkeys(("text", "tag", "owner", "domain", "term"), _TEXT),
         "state": {"type": "string", "enum": ["green", "red", "unknown"]}, "min_score": {"type": "number"},
         "limit": {"type": "integer", "minimum": 1, "maximum": 100}},
        (),
        lambda catalog, arguments: catalog.search(SearchQuery(**{"limit": 20, **arguments})),
    ),
    "describe_dataset": _Tool(
        "All that is known of a dataset: columns, checks and their last verdicts, quality, freshness, promises.",
        {"name": _TEXT}, ("name",), lambda catalog, arguments: catalog.describe(arguments["name"]),
    ),
    "get_contract": _Tool(
        "The contract of a dataset as ODCS.", {"name": _TEXT}, ("name",),
        lambda catalog, arguments: catalog.contract(arguments["name"]),
    ),
    "trace_lineage": _Tool(
        "What a dataset or column is made of and what is made of it.",
        {"name": _TEXT, "column": _TEXT, "depth": {"type": "integer", "minimum": 1}}, ("name",),
        lambda catalog, arguments: catalog.lineage(
            arguments["name"], column=arguments.get("column"), depth=arguments.get("depth")
        ),
    ),
    "assess_impact": _Tool(
        "What a change of a dataset or column touches, and how much that matters.",
        {"name": _TEXT, "column": _TEXT}, ("name",),
        lambda catalog, arguments: catalog.impact(arguments["name"], column=arguments.get("column")),
    ),
    "list_terms": _Tool("The glossary.", {}, (), lambda catalog, _: catalog.terms()),
    "what_is_red": _Tool("What changed last, what is red, and whose it is.", {}, (), lambda catalog, _: catalog.home()),
}  # fmt: skip


def answer(catalog: PlatformCatalog, message: Any) -> dict[str, Any] | None:
    """Answer one message; None to a notification."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        return _error(None, _INVALID, "not a JSON-RPC 2.0 request")
    if "id" not in message:
        return None
    number, method = message["id"], message["method"]
    parameters = message.get("params") or {}
    if not isinstance(parameters, dict):
        return _error(number, _WRONG_PARAMETERS, "params must be an object")
    if method == "initialize":
        protocol = parameters.get("protocolVersion")
        return _result(number, {
            "protocolVersion": protocol if protocol in _PROTOCOLS else _PROTOCOLS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "data-catalog", "version": "1"},
        })  # fmt: skip
    if method == "ping":
        return _result(number, {})
    if method == "tools/list":
        return _result(number, {"tools": [_described(name, tool) for name, tool in _TOOLS.items()]})
    if method == "tools/call":
        return _called(catalog, number, parameters)
    return _error(number, _NO_METHOD, f"no method {method!r}")


def answer_lines(catalog: PlatformCatalog, lines: Iterable[str]) -> Iterator[str]:
    """Answer messages that come a line each, as an assistant that starts this process sends them."""
    for line in lines:
        if not line.strip():
            continue
        try:
            reply = answer(catalog, json.loads(line))
        except ValueError:
            reply = _error(None, _PARSE, "not JSON")
        if reply is not None:
            yield json.dumps(reply, default=str)


def _called(catalog: PlatformCatalog, number: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    tool = _TOOLS.get(str(parameters.get("name")))
    arguments = parameters.get("arguments") or {}
    if tool is None or not isinstance(arguments, dict):
        return _error(number, _WRONG_PARAMETERS, f"no tool {parameters.get('name')!r}; there are {', '.join(_TOOLS)}")
    wrong = [name for name in arguments if name not in tool.properties] + [
        name for name in tool.required if not isinstance(arguments.get(name), str)
    ]
    wrong += [
        name for name, value in arguments.items() if name in tool.properties and not _fits(value, tool.properties[name])
    ]
    if wrong:
        return _error(number, _WRONG_PARAMETERS, f"wrong or missing: {', '.join(dict.fromkeys(wrong))}")
    try:
        text, failed = json.dumps(tool.call(catalog, arguments), default=str), False
    except (RequestError, CoreError, ResourceError) as error:
        text, failed = str(error), True
    return _result(number, {"content": [{"type": "text", "text": text}], "isError": failed})


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    return (
        isinstance(value, kinds[schema["type"]])
        and not isinstance(value, bool)
        and value in schema.get("enum", [value])
        and least <= value <= most
    )


def _described(name: str, tool: _Tool) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(tool.properties), "required": list(tool.required),
              "additionalProperties": False}  # fmt: skip
    return {"name": name, "description": tool.description, "inputSchema": schema,
            "annotations": {"readOnlyHint": True}}  # fmt: skip


def _result(number: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
