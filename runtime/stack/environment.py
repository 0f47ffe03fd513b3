"""The environment in which another process of ours finds exactly these settings, whatever files lie about."""

from collections.abc import Mapping

from ..setting_keys import Key
from ..settings import CONFIG_ENV, Settings, as_plain, env_name, flatten


def environment(settings: Settings, found: Mapping[Key, str] | None = None) -> dict[str, str]:
    """`found` is what the settings leave open and the stack decided: addresses and ports."""
    environ = {CONFIG_ENV: "/dev/null"}
    for key, value in flatten(as_plain(settings)):
        environ[env_name(key)] = str(value)
    for key, text in (found or {}).items():
        environ[env_name(key)] = text
    environ[env_name(("data_dir",))] = str(settings.data_dir.expanduser().resolve())
    return environ
