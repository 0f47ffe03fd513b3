"""The tools that come with Resprout."""

from . import (
    archives,
    csv_tables,
    documents,
    file_changes,
    files,
    hashes,
    json_values,
    markdown,
    numbers,
    patches,
    patterns,
    sql,
    templates,
    text,
    times,
)

ALL = (
    *files.TOOLS,
    *file_changes.TOOLS,
    *archives.TOOLS,
    *text.TOOLS,
    *patterns.TOOLS,
    *patches.TOOLS,
    *templates.TOOLS,
    *json_values.TOOLS,
    *csv_tables.TOOLS,
    *documents.TOOLS,
    *sql.TOOLS,
    *times.TOOLS,
    *numbers.TOOLS,
    *hashes.TOOLS,
    *markdown.TOOLS,
)
