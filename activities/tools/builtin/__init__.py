"""The tools that come with Resprout."""

from . import code, feed, html, http

ALL = (*code.TOOLS, *feed.TOOLS, *html.TOOLS, *http.TOOLS)
