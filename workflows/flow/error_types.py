"""What `error.type` can say and `retry.on` can name, beside the errors that agents define themselves."""

from ...actors import errors

TIMEOUT = "Timeout"
CANCELLED = "Cancelled"
LOOP_LIMIT = "LoopLimit"
TOO_FEW = "TooFewSucceeded"
BUDGET = "BudgetExceeded"
UNFINISHED = "Unfinished"
REFUSED = "Refused"
UNUSABLE = "Unusable"
UNFIT = "Unfit"
TOO_LARGE = "TooLarge"
ID_TAKEN = "IdTaken"
DEFECT = "Defect"
SANDBOX_FAILED = "SandboxFailed"

# Only what one module defines: a workflow must not depend on what is imported.
REJECTED = frozenset(
    name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.Rejected)
)
# Of tools: what the same call meets again, and what may be otherwise the next time.
TOOL_REJECTED = frozenset({"BadArguments", "Denied", "StepTaken", "UnknownTool", "TooLarge"})
ROLE_REJECTED = frozenset({"UnknownRole", "UnknownVariable", "BadRole"})
TOOL_FAILED = frozenset({"ToolError", "ToolFailed", "Throttled", "Resolved", "Cancelled"})
KNOWN = (
    frozenset(
        {
            TIMEOUT,
            CANCELLED,
            LOOP_LIMIT,
            TOO_FEW,
            BUDGET,
            UNFINISHED,
            REFUSED,
            UNUSABLE,
            UNFIT,
            TOO_LARGE,
            ID_TAKEN,
            DEFECT,
        }
    )
    | {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    | TOOL_REJECTED
    | ROLE_REJECTED
    | TOOL_FAILED
    | {"BadInput", "ExpressionFailed", SANDBOX_FAILED, "InDoubt", "NoSandbox", "BadSpec"}
)
