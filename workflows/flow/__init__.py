"""The flow language: what `*.flow.yaml` says, checked and frozen, and the workflow that runs it."""
