"""Plugins: Python distributions that bring tools, installed from an index that somebody we trust has signed."""
