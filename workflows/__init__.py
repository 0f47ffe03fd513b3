"""Temporal workflows: how steps follow each other. Which types there are, is in `kinds`."""
