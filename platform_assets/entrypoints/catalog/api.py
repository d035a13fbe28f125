"""The catalog's API: what the command line tells, over HTTP, read-only but for the registration of data products.

No request names a file or an address: datasets are looked up by name among those that are there, so that there is
nothing to traverse and nothing to fetch.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Match, Route

from platform_assets.entrypoints.catalog.mcp import answer as mcp_answer
from platform_assets.entrypoints.catalog.page_files import FOLDER
from platform_assets.entrypoints.catalog.tokens import Tokens
from platform_assets.operations.catalog import SAMPLE_ROWS, PlatformCatalog
from platform_assets.operations.catalog_search import SearchQuery
from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.products import ProductExists, ProductRefused, Products
from platform_assets.operations.quarantine_page import QuarantinePage
from platform_core.errors import CoreError
from platform_resources.errors import TableNotFound

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'",  # cytoscape sets styles on its own canvas
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_BODY_BYTES = 1 << 20
_Responses = dict[int | str, dict[str, Any]]
_USUAL: _Responses = {
    401: {"description": "A bearer token is needed"},
    403: {"description": "The token has not the scope"},
    404: {"description": "There is none of that name"},
    409: {"description": "What is stored does not fit what is declared"},
}
_BODY: _Responses = {
    400: {"description": "The body is no JSON"},
    413: {"description": "The body is larger than 1 MiB, or its length is not given"},
}
_REFUSALS: _Responses = {
    **_BODY,
    409: {"description": "The version is registered"},
    422: {"description": "Refused as a whole"},
}

Column = Annotated[str | None, Query(max_length=200)]
Depth = Annotated[int | None, Query(ge=1, le=1_000)]


def build_app(  # noqa: C901, PLR0915 - a function for each route
    catalog: PlatformCatalog, tokens: Tokens, *, hosts: tuple[str, ...] = ("*",)
) -> FastAPI:
    """Build the application.

    Args:
        catalog: What it tells.
        tokens: Who may use it.
        hosts: Names under which it answers; another name in a request is refused, against rebinding of DNS.
    """
    app = FastAPI(
        title="Data catalog", version="1", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        responses=_USUAL,
    )  # fmt: skip
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    products = Products(catalog.location)
    _guard(app)
    _translate_errors(app)
    read, sample, register = (Depends(_permitted(tokens, scope)) for scope in ("read", "sample", "register"))

    @app.get("/api/home", dependencies=[read])
    def home() -> dict[str, Any]:
        """Return what changed last, what is red, and whose it is."""
        return catalog.home()

    @app.get("/api/datasets", dependencies=[read])
    def datasets(  # noqa: PLR0913 - a parameter for each field that can be searched
        *,
        text: Annotated[str, Query(max_length=200)] = "",
        tag: Annotated[str, Query(max_length=200)] = "",
        owner: Annotated[str, Query(max_length=200)] = "",
        domain: Annotated[str, Query(max_length=200)] = "",
        term: Annotated[str, Query(max_length=200)] = "",
        state: Annotated[str, Query(pattern="^(green|red|unknown)?$")] = "",
        min_score: Annotated[float | None, Query(ge=0, le=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> dict[str, Any]:
        """Datasets found by text, tag, owner, domain, glossary term, state and least quality score."""
        return catalog.search(
            SearchQuery(text=text, tag=tag, owner=owner, domain=domain, term=term, state=state, min_score=min_score,
                        limit=limit, offset=offset)
        )  # fmt: skip

    @app.get("/api/datasets/{domain}/{name}", dependencies=[read])
    def dataset(domain: str, name: str) -> dict[str, Any]:
        """All that is known of one dataset."""
        return catalog.describe(f"{domain}/{name}")

    @app.get("/api/datasets/{domain}/{name}/contract", dependencies=[read])
    def contract(domain: str, name: str) -> dict[str, Any]:
        """Its contract as ODCS."""
        return catalog.contract(f"{domain}/{name}")

    @app.get("/api/datasets/{domain}/{name}/materialisations", dependencies=[read])
    def materialisations(
        domain: str, name: str, limit: Annotated[int, Query(ge=1, le=500)] = 20
    ) -> list[dict[str, Any]]:
        """Return the last materialisations, the newest first."""
        return catalog.materialisations(f"{domain}/{name}", limit=limit)

    @app.get("/api/datasets/{domain}/{name}/sample", dependencies=[sample])
    def rows(domain: str, name: str, rows: Annotated[int, Query(ge=1, le=SAMPLE_ROWS)] = 10) -> dict[str, Any]:
        """Return a few rows; personal data is masked."""
        return catalog.sample(f"{domain}/{name}", rows=rows)

    @app.get("/api/datasets/{domain}/{name}/quarantine", dependencies=[sample])
    def quarantine(
        domain: str,
        name: str,
        decision: Annotated[str, Query(pattern="^(open|replayed|discarded|all)$")] = "open",
        rule: Annotated[str | None, Query(max_length=200)] = None,
    ) -> QuarantinePage:
        """Return what its rules set aside, how often, and the rows; personal data is masked."""
        return catalog.quarantine(f"{domain}/{name}", decision=decision, rule=rule)

    @app.get("/api/datasets/{domain}/{name}/report", dependencies=[read])
    def report(domain: str, name: str) -> dict[str, str]:
        """Its page of platform report: history of quality, profile, verdicts."""
        return {"html": catalog.report(f"{domain}/{name}")}

    @app.get("/api/datasets/{domain}/{name}/lineage", dependencies=[read])
    def lineage(domain: str, name: str, column: Column = None, depth: Depth = None) -> dict[str, Any]:
        """Return what it is made of and what is made of it."""
        return catalog.lineage(f"{domain}/{name}", column=column, depth=depth)

    @app.get("/api/datasets/{domain}/{name}/impact", dependencies=[read])
    def impact(domain: str, name: str, column: Column = None) -> dict[str, Any]:
        """Return what a change touches."""
        return catalog.impact(f"{domain}/{name}", column=column)

    @app.get("/api/lineage", dependencies=[read])
    def whole() -> dict[str, Any]:
        """Return the whole graph."""
        return catalog.whole_lineage()

    @app.get("/api/owners", dependencies=[read])
    def owners() -> list[dict[str, Any]]:
        """Owners and what they answer for."""
        return catalog.owners()

    @app.get("/api/domains", dependencies=[read])
    def domains() -> list[dict[str, Any]]:
        """Domains and what is in them."""
        return catalog.domains()

    @app.get("/api/terms", dependencies=[read])
    def terms() -> list[dict[str, Any]]:
        """Return the glossary."""
        return catalog.terms()

    @app.get("/api/products", dependencies=[read])
    def listed() -> list[dict[str, Any]]:
        """Return data products: declared here, or registered."""
        graph = catalog.snapshot().lineage
        return [products.describe(name, graph) for name in products.names()]

    @app.post("/api/products", status_code=201, dependencies=[register], responses=_REFUSALS)
    def registered(document: Annotated[dict[str, Any], Body()]) -> dict[str, str]:
        """Register a data product by its ODCS contract."""
        return products.register(document)

    @app.get("/api/products/{domain}/{name}", dependencies=[read])
    def product(domain: str, name: str) -> dict[str, Any]:
        """Return a data product: contract, versions, consumers."""
        return products.describe(f"{domain}/{name}", catalog.snapshot().lineage)

    @app.get("/api/products/{domain}/{name}/compliance", dependencies=[read])
    def compliance(domain: str, name: str) -> dict[str, Any]:
        """Whether it keeps its contract now, with evidence."""
        return products.compliance(f"{domain}/{name}")

    @app.get("/api/products/{domain}/{name}/odps", dependencies=[read])
    def odps(domain: str, name: str) -> dict[str, Any]:
        """Return the product as ODPS."""
        return products.odps(f"{domain}/{name}")

    @app.post("/mcp", dependencies=[read], responses={**_BODY, 202: {"description": "A notice, without an answer"}})
    def mcp(message: Annotated[dict[str, Any], Body()]) -> Response:
        """Return the door for assistants: JSON-RPC of the Model Context Protocol."""
        reply = mcp_answer(catalog, message)
        return Response(status_code=202) if reply is None else JSONResponse(reply)

    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(FOLDER / "index.html")

    app.mount("/pages", StaticFiles(directory=FOLDER))
    return app


def _permitted(tokens: Tokens, scope: str) -> Callable[[Request], None]:
    """Return a dependency that refuses who may not do this; it never says why a token is wrong."""

    def permit(request: Request) -> None:
        scopes = tokens.scopes_of(request.headers.get("authorization"))
        if scopes is None:
            raise HTTPException(401, "A bearer token is needed.", {"WWW-Authenticate": "Bearer"})
        if scope not in scopes:
            fix = (
                ""
                if tokens.scopes
                else " Fix: start the catalog with PLATFORM_CATALOG_TOKENS and a token of that scope."
            )
            raise HTTPException(403, f"The scope {scope!r} is needed.{fix}")

    return permit


def _guard(app: FastAPI) -> None:
    @app.middleware("http")
    async def guard(request: Request, forward: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "0")
        if request.method == "POST" and (
            not length.isdecimal() or int(length) > _BODY_BYTES or "content-length" not in request.headers
        ):
            answer: Response = JSONResponse(
                {"detail": "The body is larger than 1 MiB, or its length is not said."}, 413
            )
        else:
            answer = await forward(request)
        for name, value in _HEADERS.items():
            answer.headers[name] = value
        return answer


def _translate_errors(app: FastAPI) -> None:
    def list_methods(request: Request, _: Exception) -> JSONResponse:
        """Refuse a method; without this, `Allow` names those of the first route of the path alone."""
        routes = (route for route in app.routes if isinstance(route, Route))
        fitting = (route.methods or () for route in routes if route.matches(request.scope)[0] != Match.NONE)
        allowed = sorted({method for methods in fitting for method in methods})
        return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(allowed)})

    def respond(status: int) -> Callable[[Request, Exception], JSONResponse]:
        return lambda _, error: JSONResponse({"detail": str(error)}, status)

    app.add_exception_handler(405, list_methods)
    app.add_exception_handler(UnknownName, respond(404))
    app.add_exception_handler(TableNotFound, respond(404))
    app.add_exception_handler(ProductExists, respond(409))
    app.add_exception_handler(RequestError, respond(400))
    app.add_exception_handler(CoreError, respond(409))
    app.add_exception_handler(
        ProductRefused,
        lambda _, error: JSONResponse({"detail": str(error), "problems": list(getattr(error, "problems", ()))}, 422),
    )
