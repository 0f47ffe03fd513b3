"""Adapters to language models, and what is put around them; `runtime/models.py` puts them together.

Nothing is handed on here: an adapter brings the SDK of its provider, which takes long to import.
"""
