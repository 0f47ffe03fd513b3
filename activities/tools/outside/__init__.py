"""Tools that are no Python of ours: described by JSON Schema, done by somebody else."""
