"""The tools that come with Resprout."""

from . import agents, code, document, feed, html, http, image, package, plot, runs

ALL = (
    *code.TOOLS,
    *http.TOOLS,
    *html.TOOLS,
    *feed.TOOLS,
    *document.TOOLS,
    *image.TOOLS,
    *plot.TOOLS,
    *package.TOOLS,
    *agents.TOOLS,
    *runs.TOOLS,
)
