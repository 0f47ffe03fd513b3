"""Cutting what arrives and what leaves into frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.runtime.wire import FRAME_BYTES, HELLO, LARGEST_HELLO, MOST_IN_FRAME, BadFrame, Frames, frame, in_frames


@given(st.lists(st.integers(0, 2 * FRAME_BYTES)))
def test_what_leaves_is_cut_in_order_into_what_fits(sizes: list[int]) -> None:
    parts = list(in_frames(sizes, lambda size: size))

    assert [size for part in parts for size in part] == sizes
    assert all(len(part) == 1 or sum(part) <= FRAME_BYTES for part in parts)
    assert all(0 < len(part) <= MOST_IN_FRAME for part in parts)


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_frames_arrive_whole_however_they_are_torn(payloads: list[bytes], step: int) -> None:
    stream = b"".join(frame(HELLO, payload) for payload in payloads)
    frames = Frames()

    arrived = [one for start in range(0, len(stream), step) for one in frames.feed(stream[start : start + step])]

    assert arrived == [(HELLO, payload) for payload in payloads]


def test_a_frame_that_is_too_large_is_refused_by_its_head() -> None:
    frames = Frames(LARGEST_HELLO)

    with pytest.raises(BadFrame, match="1,001 bytes"):
        list(frames.feed(frame(HELLO, b"x" * (LARGEST_HELLO + 1))[:5]))
