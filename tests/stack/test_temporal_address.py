import re

import pytest
from resprout.actors.errors import ConfigError, NotRunning, ResproutError
from resprout.runtime.settings import TemporalSettings
from resprout.runtime.temporal import connect


@pytest.mark.parametrize(
    ("address", "fault", "words"),
    [
        ("nowhere.invalid", NotRunning, "no Temporal server answers at nowhere.invalid"),
        ("127.0.0.1:1", NotRunning, "connection refused"),
        ("no where:1", ConfigError, "it must be host:port"),
        ("127.0.0.1:99999", ConfigError, "it must be host:port"),
    ],
)
async def test_a_bad_temporal_address_is_told_in_words_not_in_rust(
    address: str, fault: type[ResproutError], words: str
) -> None:
    with pytest.raises(fault) as caught:
        await connect(TemporalSettings(address=address))

    said = str(caught.value)
    assert words in said
    assert not re.search(r"::|[{}]", said)
