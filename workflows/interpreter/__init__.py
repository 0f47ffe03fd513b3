"""The interpreter: one Temporal workflow, in `workflow`, that runs any flow."""
