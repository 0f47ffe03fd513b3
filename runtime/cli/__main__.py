"""`python -m resprout.runtime.cli`, which is how the supervisor starts our own services."""

from . import main

main()
