"""Tools that read feeds: `feed.parse`, for RSS 2.0, RSS 1.0 and Atom.

A feed is a document of somebody else: entities and external references in it are refused, not resolved.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import BaseModel, Field

from ..place import reads_path_if_any
from ..tool import BadArguments, ToolCall, ToolError, tool
from ..workspace import Workspace

LARGEST = 5_000_000


class Entry(BaseModel):
    title: str
    link: str
    id: str
    published: datetime | None = Field(description="in UTC, where the feed says it so that it can be read")
    author: str
    summary: str = Field(description="as the feed has it, which may be HTML; up to 5,000 characters")
    categories: list[str]


class Feed(BaseModel):
    kind: str = Field(description="rss or atom")
    title: str
    link: str
    description: str
    entries: list[Entry]


@tool(
    "feed.parse",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path_if_any,
    tags=("web", "rss", "atom", "news"),
)
def parse(
    call: ToolCall,
    xml: Annotated[str | None, Field(description="The feed's source; or give `path`.", max_length=LARGEST)] = None,
    path: Annotated[str | None, Field(description="File of the workspace that is the feed.")] = None,
    most: Annotated[int, Field(description="Entries that are given at most.", ge=1, le=1_000)] = 50,
) -> Feed:
    """Reads an RSS or Atom feed: its title, and its entries with title, link, date, author and summary."""
    if (xml is None) == (path is None):
        raise BadArguments("a feed is needed: give either `xml` or `path`.")
    root = _root(xml.encode() if xml is not None else Workspace(call.workspace).read(str(path), LARGEST))
    if _name(root) == "feed":
        return _atom(root, most)
    if _name(root) in ("rss", "RDF"):
        return _rss(root, most)
    raise ToolError(f"`{_name(root)[:60]}` is no feed: give the source of an RSS or Atom feed.")


def _root(source: bytes) -> Element:
    try:
        root: Element = fromstring(source, forbid_dtd=False)
    except DefusedXmlException:
        raise ToolError("the feed declares entities or refers to other documents, which is refused.") from None
    except (ParseError, ValueError, LookupError) as error:
        raise ToolError(f"the feed is no XML: {error}.") from None
    return root


def _rss(root: Element, most: int) -> Feed:
    channel = next((child for child in root if _name(child) == "channel"), root)
    items = [*(one for one in channel if _name(one) == "item"), *(one for one in root if _name(one) == "item")]
    return Feed(
        kind="rss",
        title=_text(channel, "title"),
        link=_text(channel, "link"),
        description=_text(channel, "description"),
        entries=[_rss_entry(item) for item in items[:most]],
    )


def _rss_entry(item: Element) -> Entry:
    return Entry(
        title=_text(item, "title"),
        link=_text(item, "link"),
        id=_text(item, "guid") or _text(item, "link"),
        published=_moment(_text(item, "pubDate") or _text(item, "date")),
        author=_text(item, "author") or _text(item, "creator"),
        summary=_text(item, "description")[:5_000],
        categories=[(one.text or "").strip() for one in item if _name(one) == "category"],
    )


def _atom(root: Element, most: int) -> Feed:
    entries = [one for one in root if _name(one) == "entry"]
    return Feed(
        kind="atom",
        title=_text(root, "title"),
        link=_atom_link(root),
        description=_text(root, "subtitle"),
        entries=[_atom_entry(entry) for entry in entries[:most]],
    )


def _atom_entry(entry: Element) -> Entry:
    author = next((one for one in entry if _name(one) == "author"), None)
    return Entry(
        title=_text(entry, "title"),
        link=_atom_link(entry),
        id=_text(entry, "id"),
        published=_moment(_text(entry, "published") or _text(entry, "updated")),
        author=_text(author, "name") if author is not None else "",
        summary=(_text(entry, "summary") or _text(entry, "content"))[:5_000],
        categories=[one.get("term", "") for one in entry if _name(one) == "category"],
    )


def _atom_link(element: Element) -> str:
    found = [one for one in element if _name(one) == "link"]
    own = [one for one in found if one.get("rel", "alternate") == "alternate"] or found
    return own[0].get("href", "") if own else ""


def _name(element: Element) -> str:
    """Without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _text(element: Element, name: str) -> str:
    found = next((child for child in element if _name(child) == name), None)
    return "".join(found.itertext()).strip() if found is not None else ""


def _moment(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
        except ValueError:
            continue
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


TOOLS = (parse,)
