"""Agent classes that ship with Resprout. Importing this package makes their kinds known."""

from .cache import Cache
from .emitted import Emitted
from .greeter import Greet, Greeter, Greeting
from .topic import Publish, Topic

__all__ = ["Cache", "Emitted", "Greet", "Greeter", "Greeting", "Publish", "Topic"]
