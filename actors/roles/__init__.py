"""Agent classes that ship with Resprout. Importing this package makes their kinds known."""

from .greeter import Greet, Greeter, Greeting
from .topic import Publish, Topic

__all__ = ["Greet", "Greeter", "Greeting", "Publish", "Topic"]
