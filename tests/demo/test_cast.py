"""The recording of the demo that the README shows, and what it is drawn with."""

from docs.cast.drawing import pictures, svg
from docs.cast.record import CAST, COLUMNS, DRAWN, LARGEST, ROWS, read, thinned
from docs.cast.terminal import Terminal


def shown(terminal: Terminal) -> list[str]:
    return ["".join(character for character, _ in row).rstrip() for row in terminal.picture()]


def test_a_line_that_was_wiped_shows_what_was_written_last() -> None:
    terminal = Terminal(10, 3)

    terminal.feed("one\r\ntwo\r\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Kthree")

    assert shown(terminal) == ["three", "", ""]


def test_what_leaves_the_screen_at_the_top_is_gone() -> None:
    terminal = Terminal(10, 2)

    terminal.feed("one\r\ntwo\r\nthree")

    assert shown(terminal) == ["two", "three"]


def test_what_the_terminal_does_not_know_is_no_text() -> None:
    terminal = Terminal(10, 1)

    terminal.feed("\x1b[?25l\x1b]8;;http://x\x1b\\a\x1b[38;5;200mb\x1b[0mc")

    assert shown(terminal) == ["abc"]


def test_a_thinned_recording_ends_with_the_same_picture() -> None:
    events = [(0.0, "\x1b[1;31mred\x1b[0m and \x1b[2mdim"), (1.0, "\r\nnext"), (1.1, "\x1b[1A\rmore")]
    whole, thin = Terminal(COLUMNS, ROWS), Terminal(COLUMNS, ROWS)

    for _, text in events:
        whole.feed(text)
    for _, text in thinned(events):
        thin.feed(text)

    assert thin.picture() == whole.picture()


def test_the_drawing_in_the_docs_is_that_of_the_recording_and_small() -> None:
    assert DRAWN.read_text() == svg(pictures(read(), COLUMNS, ROWS), COLUMNS, ROWS)
    assert max(CAST.stat().st_size, DRAWN.stat().st_size) <= LARGEST
