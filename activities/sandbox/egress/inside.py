"""What a sandbox is given so that programs in it find the way to the gate."""

from pathlib import Path

from .forwarder import PORT

FORWARDER = Path(__file__).with_name("forwarder.py")

_NAMES = ("http_proxy", "https_proxy", "all_proxy")


def environment(port: int = PORT) -> dict[str, str]:
    """Variables that curl, git, pip, npm and most HTTP libraries obey."""
    proxy = f"http://127.0.0.1:{port}"
    names = [*_NAMES, *(name.upper() for name in _NAMES)]
    # What a base image excepts from its proxies is no exception here: there is no other way out.
    return dict.fromkeys(names, proxy) | {"no_proxy": "", "NO_PROXY": "", "NODE_USE_ENV_PROXY": "1"}


def forwarder() -> str:
    """The source of the script: copied in, as none of our files can be seen from inside."""
    return FORWARDER.read_text()
