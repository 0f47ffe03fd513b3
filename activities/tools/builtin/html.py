"""Tools that read web pages: `html.text`, `html.select`, `html.links`, `html.tables`, `html.metadata`.

Nothing of a page is run or fetched. The page is given as text, or as a file of the workspace.
"""

from functools import partial
from typing import Annotated
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, Field
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from ..bounded.page_text import page_text
from ..place import reads_path_if_any
from ..tool import BadArguments, ToolCall, tool
from ..workspace import Workspace

LARGEST = 5_000_000
MOST = 1_000  # links, matches, rows

Html = Annotated[
    str | None, Field(description="The page's source; or leave it out and give `path`.", max_length=LARGEST)
]
Path = Annotated[str | None, Field(description="File of the workspace that is the page.", max_length=4_000)]
Base = Annotated[
    str, Field(description="URL of the page, against which its relative links are read.", max_length=8_000)
]
Most = Annotated[int, Field(description="How many are given at most.", ge=1, le=MOST)]


class Text(BaseModel):
    title: str
    text: str
    is_cut: bool


_reads_page = partial(
    tool, version="1.0.0", contract="safe-to-retry", permissions=("files.read",), needs=reads_path_if_any
)


@_reads_page("html.text", tags=("web", "page", "extract"))
def text(
    call: ToolCall,
    html: Html = None,
    path: Path = None,
    most: Annotated[int, Field(description="Characters that are given at most.", ge=1, le=500_000)] = 50_000,
) -> Text:
    """Gives the text of a web page as a person sees it, a line for each block, without scripts and styles."""
    page = _page(call, html, path)
    seen = page_text(page)
    return Text(title=_title(page), text=seen[:most], is_cut=len(seen) > most)


class Match(BaseModel):
    tag: str
    text: str
    attributes: dict[str, str]
    html: str = Field(description="its source, up to 2,000 characters")


@_reads_page("html.select", tags=("web", "page", "css", "scrape"))
def select(
    call: ToolCall,
    selector: Annotated[
        str, Field(description="CSS selector, as in `main h2 > a[href]`.", min_length=1, max_length=500)
    ],
    html: Html = None,
    path: Path = None,
    most: Most = 100,
) -> list[Match]:
    """Gives the elements of a web page that a CSS selector matches, with text and attributes."""
    try:
        found = _page(call, html, path).css(selector)
    except (SelectolaxError, ValueError):
        raise BadArguments(f"{selector[:100]!r} is no CSS selector: write it as in `main h2 > a[href]`.") from None
    return [
        Match(tag=node.tag or "", text=_line(node), attributes=_attributes(node), html=(node.html or "")[:2_000])
        for node in found[:most]
    ]


class Link(BaseModel):
    url: str
    text: str
    rel: str = ""


@_reads_page("html.links", tags=("web", "page", "urls"))
def links(
    call: ToolCall,
    html: Html = None,
    path: Path = None,
    base: Base = "",
    host: Annotated[str | None, Field(description="Only links to this host.")] = None,
    most: Most = 200,
) -> list[Link]:
    """Gives the links of a web page, each URL once, made absolute where `base` is given."""
    page = _page(call, html, path)
    declared = page.css_first("base[href]")
    start = _joined(base, _attributes(declared)["href"]) if declared is not None else base
    found: dict[str, Link] = {}
    for node in page.css("a[href]"):
        about = _attributes(node)
        url = _joined(start, about["href"].strip())
        if url and (host is None or _host(url) == host.lower()):
            found.setdefault(url, Link(url=url, text=_line(node), rel=about.get("rel", "")))
    return list(found.values())[:most]


class Table(BaseModel):
    caption: str
    header: list[str]
    rows: list[list[str]]
    is_cut: bool


@_reads_page("html.tables", tags=("web", "page", "data", "scrape"))
def tables(call: ToolCall, html: Html = None, path: Path = None, most: Most = 500) -> list[Table]:
    """Gives the tables of a web page as rows of texts; a first row of header cells is the header."""
    return [_table(node, most) for node in _page(call, html, path).css("table")[:50]]


class Metadata(BaseModel):
    title: str
    description: str
    language: str
    canonical: str
    feeds: list[str]
    headings: list[str] = Field(description="h1 and h2")
    meta: dict[str, str] = Field(description="what `meta` elements say, as in `og:image`")


@_reads_page("html.metadata", tags=("web", "page", "title", "opengraph"))
def metadata(call: ToolCall, html: Html = None, path: Path = None, base: Base = "") -> Metadata:
    """Gives what a web page says of itself: title, description, language, canonical URL, feeds, Open Graph and other
    `meta` elements."""
    page = _page(call, html, path)
    meta: dict[str, str] = {}
    for node in page.css("meta[content]")[:MOST]:
        about = _attributes(node)
        name = about.get("property") or about.get("name") or about.get("http-equiv")
        if name:
            meta.setdefault(name.lower(), about["content"].strip())
    feeds = page.css('link[rel~="alternate"][type="application/rss+xml"], link[type="application/atom+xml"]')
    return Metadata(
        title=_title(page),
        description=meta.get("description") or meta.get("og:description", ""),
        language=_attribute(page, "html", "lang"),
        canonical=_joined(base, _attribute(page, 'link[rel="canonical"]', "href")),
        feeds=[_joined(base, _attributes(node).get("href", "")) for node in feeds],
        headings=[_line(node) for node in page.css("h1, h2")[:100]],
        meta=meta,
    )


def _page(call: ToolCall, html: str | None, path: str | None) -> LexborHTMLParser:
    if (html is None) == (path is None):
        raise BadArguments("a page is needed: give either `html` or `path`.")
    if html is not None:
        return LexborHTMLParser(html)
    return LexborHTMLParser(Workspace(call.workspace).read(str(path), LARGEST).decode(errors="replace"))


def _table(node: LexborNode, most: int) -> Table:
    rows = [(row, [_line(cell) for cell in row.css("td, th")]) for row in node.css("tr")[: most + 2]]
    is_headed = bool(rows) and rows[0][0].css_first("td") is None
    caption = node.css_first("caption")
    cells = [texts for _, texts in rows[is_headed:]]
    return Table(
        caption=_line(caption) if caption is not None else "",
        header=rows[0][1] if is_headed else [],
        rows=cells[:most],
        is_cut=len(cells) > most,
    )


def _title(page: LexborHTMLParser) -> str:
    found = page.css_first("title")
    return _line(found) if found is not None else ""


def _line(node: LexborNode) -> str:
    return " ".join(node.text(deep=True, separator=" ").split())[:10_000]


def _attribute(page: LexborHTMLParser, selector: str, name: str) -> str:
    found = page.css_first(selector)
    return _attributes(found).get(name, "") if found is not None else ""


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()}


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:  # a page may say anything
        return ""


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


TOOLS = (text, select, links, tables, metadata)
