"""The Temporal workflow `agent`: an agent that thinks, its loop of decisions and tools."""
