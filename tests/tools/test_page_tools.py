"""Web pages and feeds, read as what somebody else wrote."""

from pathlib import Path

import pytest
from resprout.activities.tools.builtin import feed, html
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands
from support.tool_calls import hands as bare_hands

PAGE = """<!doctype html><html lang=en><head><title>The  shop</title><meta name=description content="All we have">
<meta property="og:image" content="/i.png"><link rel=canonical href="/shop">
<link rel=alternate type="application/rss+xml" href="news.rss"><style>p {}</style></head>
<body><h1>Fruit</h1><p>Apples and<b> pears</b>.</p><script>alert(1)</script>
<ul><li><a href="apples?n=1">Apples</a><li><a href="https://other.example/x" rel=nofollow>Else</a>
<li><a href="apples?n=1">again</a></ul>
<table><caption>Prices</caption><tr><th>What<th>Price</tr><tr><td>Apple</td><td>2</td></tr><tr><td>Pear<td>3</table>"""

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>News</title>
<link>https://n.example/</link><description>All</description>
<item><title>One</title><link>https://n.example/1</link><guid>1</guid><pubDate>Sat, 21 Nov 2026 10:00:00 +0100</pubDate>
<dc:creator>Ada</dc:creator><description>&lt;p&gt;Hi</description><category>a</category></item>
<item><title>Two</title></item></channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><link rel="self" href="https://b.example/atom"/>
<link href="https://b.example/"/><entry><id>x:1</id><title>First</title><link href="https://b.example/1"/>
<updated>2026-11-21T10:00:00Z</updated><author><name>Ada</name></author><content type="html">Text</content>
<category term="t"/></entry></feed>"""

BILLION = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;">]><rss><channel><title>&c;</title></channel></rss>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><rss><channel><title>&b;</title></channel></rss>'


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return bare_hands(tmp_path)


async def test_the_text_of_a_page_is_what_a_person_sees(hands: Hands) -> None:
    found = await hands.use(html.text, html=PAGE)

    assert found["title"] == "The shop"
    assert found["text"].splitlines()[:4] == ["Fruit", "Apples and pears.", "Apples", "Else"]
    assert "alert" not in found["text"]
    assert "Apple 2" in found["text"]
    assert (await hands.use(html.text, html=PAGE, most=5)) == {"title": "The shop", "text": "Fruit", "is_cut": True}


async def test_a_page_may_lie_in_the_workspace(hands: Hands) -> None:
    path = hands.put("shop.html", PAGE)

    assert (await hands.use(html.text, path=path))["title"] == "The shop"
    assert hands.needs(html.text, path=path) == ["files.read:workspace:shop.html"]
    assert hands.needs(html.text, html=PAGE) == []


@pytest.mark.parametrize("tool", [html.text, html.links, html.tables, html.metadata], ids=lambda one: one.name)
async def test_a_page_is_needed_once(hands: Hands, tool: Tool) -> None:
    with pytest.raises(BadArguments, match="give either `html` or `path`"):
        await hands.use(tool)
    with pytest.raises(ToolError, match="`nothing` does not exist"):
        await hands.use(tool, path="nothing")


async def test_a_selector_finds_elements(hands: Hands) -> None:
    first, *_ = await hands.use(html.select, selector="li a[href]", html=PAGE)

    assert (first["tag"], first["text"], first["attributes"]) == ("a", "Apples", {"href": "apples?n=1"})
    assert await hands.use(html.select, selector="video", html=PAGE) == []
    with pytest.raises(BadArguments, match="is no CSS selector"):
        await hands.use(html.select, selector="a[[", html=PAGE)


async def test_links_are_absolute_and_each_is_given_once(hands: Hands) -> None:
    found = await hands.use(html.links, html=PAGE, base="https://shop.example/all/")

    assert [link["url"] for link in found] == ["https://shop.example/all/apples?n=1", "https://other.example/x"]
    assert [link["text"] for link in await hands.use(html.links, html=PAGE, host="other.example")] == ["Else"]


async def test_a_table_is_rows_of_texts(hands: Hands) -> None:
    (table,) = await hands.use(html.tables, html=PAGE)

    assert table == {
        "caption": "Prices",
        "header": ["What", "Price"],
        "rows": [["Apple", "2"], ["Pear", "3"]],
        "is_cut": False,
    }


async def test_a_page_says_what_it_is(hands: Hands) -> None:
    found = await hands.use(html.metadata, html=PAGE, base="https://shop.example/all/")

    assert (found["title"], found["description"], found["language"]) == ("The shop", "All we have", "en")
    assert (found["canonical"], found["feeds"]) == (
        "https://shop.example/shop",
        ["https://shop.example/all/news.rss"],
    )
    assert (found["headings"], found["meta"]["og:image"]) == (["Fruit"], "/i.png")


async def test_an_rss_feed_is_read(hands: Hands) -> None:
    found = await hands.use(feed.parse, xml=RSS)

    assert (found["kind"], found["title"], len(found["entries"])) == ("rss", "News", 2)
    assert found["entries"][0] == {
        "title": "One",
        "link": "https://n.example/1",
        "id": "1",
        "published": "2026-11-21T09:00:00Z",
        "author": "Ada",
        "summary": "<p>Hi",
        "categories": ["a"],
    }
    assert found["entries"][1]["published"] is None


async def test_an_atom_feed_is_read(hands: Hands) -> None:
    found = await hands.use(feed.parse, path=hands.put("feed.xml", ATOM))

    assert (found["kind"], found["link"]) == ("atom", "https://b.example/")
    assert [(one["link"], one["author"], one["summary"], one["categories"]) for one in found["entries"]] == [
        ("https://b.example/1", "Ada", "Text", ["t"])
    ]


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (BILLION, "declares entities"),
        (OUTSIDE, "declares entities"),
        ("<rss><chan", "is no XML"),
        ("<html/>", "`html` is no feed"),
    ],
)
async def test_what_is_no_honest_feed_is_refused(hands: Hands, xml: str, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        await hands.use(feed.parse, xml=xml)
