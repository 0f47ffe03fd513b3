"""`resprout tool import openapi`: the operations of an API that describes itself become tools."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...actors.errors import Rejected, Unavailable
from .run_options import AsJson
from .tool_files import text_of
from .tool_import import Contract, Danger, Family, Look, Only, Timeout, Yes, bring_in, choices_of

if TYPE_CHECKING:
    from ...activities.tools.outside.openapi_import import ImportedApi
    from ...activities.tools.outside.openapi_origin import OpenApiOrigin
    from ..tool_imports import ToolImports

FETCHING = 30  # seconds


def openapi(
    ctx: typer.Context,
    name: Family,
    file: Annotated[Path | None, typer.Option("--file", help="The document, JSON or YAML.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the document is, instead.")] = None,
    server: Annotated[str | None, typer.Option("--server", metavar="URL", help="Where the API is.")] = None,
    auth: Annotated[
        list[str] | None,
        typer.Option("--auth", metavar="header:K=V", help="Or query:K=V. V has its secrets as secret://name."),
    ] = None,
    only: Only = None,
    contract: Contract = None,
    danger: Danger = None,
    timeout: Timeout = "30s",
    look: Look = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Import the operations of an OpenAPI document (3.0 or 3.1). Their calls run in the sandbox, through its gate.

    GET, HEAD, PUT and DELETE are safe to retry; POST and PATCH happen at most once, or are keyed where the document
    declares a header Idempotency-Key.
    """
    from ...activities.tools.outside.naming import family_name
    from ...activities.tools.outside.openapi_document import read_document
    from ...activities.tools.outside.openapi_import import import_openapi, server_of

    if (file is None) == (url is None):
        raise Rejected("say where the document is: --file FILE or --url URL.")
    choices = choices_of(only, contract, danger, timeout, takes_hints=True)
    source = f"openapi:{family_name(name)}"

    async def read(imports: "ToolImports") -> "ImportedApi":
        await imports.allow(source, _asked(url, server))
        text = text_of(file) if file is not None else await _fetched(str(url))
        document = read_document(text, str(file or url))
        origin = _origin(server_of(document, server, url), auth or [])
        return import_openapi(name, document, origin, choices, await imports.known())

    def plain(imported: "ImportedApi") -> dict[str, Any]:
        return imported.origin.model_dump(mode="json", exclude_defaults=True)

    bring_in(ctx, source, "openapi", read, plain, look=look, yes=yes, as_json=as_json)


def _asked(url: str | None, server: str | None) -> list[Any]:
    """What policy is asked about: the hosts that are known before the document is read."""
    from ...activities.tools.web import connects, web_url

    try:
        return [connects(web_url(one)) for one in (url, server) if one is not None]
    except ValueError as error:
        raise Rejected(str(error)) from None


def _origin(server: str, auth: list[str]) -> "OpenApiOrigin":
    from ...activities.tools.outside.openapi_origin import OpenApiOrigin

    given: dict[str, dict[str, str]] = {"header": {}, "query": {}}
    for one in auth:
        place, colon, pair = one.partition(":")
        key, sign, value = pair.partition("=")
        if place not in given or not colon or not sign or not key:
            raise Rejected(f"--auth {one[:40]}: write it as in --auth 'header:Authorization=Bearer secret://token'.")
        if "secret://" not in value:
            raise Rejected(f"--auth {place}:{key}: give the value by reference, as in {key}=secret://token.")
        given[place][key] = value
    return OpenApiOrigin(server=server, headers=given["header"], query=given["query"])


async def _fetched(url: str) -> str:
    """Asked by whoever imports, from here: a redirect is told, not followed."""
    import httpx

    from ...activities.tools.outside.openapi_document import LARGEST_DOCUMENT

    content = bytearray()
    try:
        async with httpx.AsyncClient(timeout=FETCHING) as client, client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise Unavailable(f"{url} answered {answer.status_code} {answer.reason_phrase}.")
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > LARGEST_DOCUMENT:
                    raise Rejected(f"{url} is larger than {LARGEST_DOCUMENT:,} bytes.")
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} cannot be read: {error or type(error).__name__}.") from None
    return content.decode(errors="replace")
