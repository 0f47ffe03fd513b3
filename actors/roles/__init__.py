"""Agent classes that ship with Resprout. Importing this package makes their kinds known."""

from .greeter import Greet, Greeter, Greeting

__all__ = ["Greet", "Greeter", "Greeting"]
