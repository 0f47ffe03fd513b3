"""Finding the running stack of a data directory, for commands that need its servers."""

from ...actors.errors import NotRunning
from ..settings import Settings, as_plain
from . import state
from .paths import StackPaths

# The setting that says which server a section is about. Where it is configured, the rest of the section belongs to
# that server, and what the stack knows of its own (a token, say) must not be mixed in.
LEADS = {"postgres": "dsn", "temporal": "address", "ray": "address", "gateway": "port"}


def attach(settings: Settings, *needed: str) -> Settings:
    """The settings, completed by what the running stack of this data directory knows of servers not configured.

    `needed` are dotted keys that must have a value afterwards.
    """
    plain = as_plain(settings)
    stack = state.read(StackPaths.of(settings.data_dir))
    open_sections = {section for section, lead in LEADS.items() if plain.get(section, {}).get(lead) is None}
    for dotted, value in (stack.settings if stack else {}).items():
        section, _, name = dotted.partition(".")
        if section in open_sections:
            plain.setdefault(section, {}).setdefault(name, value)
    for dotted in needed:
        section, _, name = dotted.partition(".")
        if plain.get(section, {}).get(name) is None:
            raise NotRunning(
                f"no stack is running in {settings.data_dir} and `{dotted}` is not set. "
                "Start one with `resprout up`, name its --data-dir, or set the setting."
            )
    return Settings(**plain)
