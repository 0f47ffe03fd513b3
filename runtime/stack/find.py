"""What a stack tells other commands of its servers, and how they find it, by the data directory."""

from pydantic import BaseModel

from ...actors.errors import NotRunning
from ..setting_keys import Key
from ..settings import Settings, as_plain, flatten, nested
from . import state
from .paths import StackPaths

# The setting that says which server a section is about. Where it is configured, the rest of the section belongs to
# that server, and what the stack knows of its own (a token, say) must not be mixed in.
LEADS = {
    "postgres": "dsn",
    "temporal": "address",
    "ray": "address",
    "gateway": "port",
    "policy": "owner",
    "models.local": "url",
}

SERVERS = ("postgres", "temporal", "ray")
OF_ONE_PROCESS = ("pool_size", "port", "ui_port")


def leading(settings: Settings) -> dict[Key, str]:
    """What leads to the servers in these settings: `up` may have got it by a flag that other commands do not have."""
    return {
        key: str(value)
        for key, value in flatten(as_plain(settings))
        if key[0] in SERVERS and key[-1] not in OF_ONE_PROCESS
    }


def attach(settings: Settings, *needed: str) -> Settings:
    """The settings, completed by what the running stack of this data directory knows of its servers.

    `needed` are dotted keys that must have a value afterwards.
    """
    plain = dict(flatten(as_plain(settings)))
    stack = state.read(StackPaths.of(settings.data_dir))
    known = stack.settings if stack else {}
    of_stack = {
        section
        for section, lead in LEADS.items()
        if plain.get(_key(f"{section}.{lead}")) in (None, known.get(f"{section}.{lead}"))
    }
    for dotted, value in known.items():
        if dotted.rpartition(".")[0] in of_stack and not _is_given(settings, _key(dotted)):
            plain[_key(dotted)] = value
    for dotted in needed:
        if plain.get(_key(dotted)) is None:
            raise NotRunning(
                f"no stack is running in {settings.data_dir} and `{dotted}` is not set. "
                "Start one with `resprout up`, name its --data-dir, or set the setting."
            )
    return Settings(**nested(plain))


def _key(dotted: str) -> Key:
    return tuple(dotted.split("."))


def _is_given(settings: Settings, key: Key) -> bool:
    """A default that nobody wrote gives way to what the stack was told."""
    part: BaseModel = settings
    for name in key[:-1]:
        part = getattr(part, name)
    return key[-1] in part.model_fields_set and getattr(part, key[-1]) is not None
