"""Who may do what: rules in Rego, grants in Postgres, and the decisions that follow."""

from .opening import policy_of, rules_of
from .policy import Policy

__all__ = ["Policy", "policy_of", "rules_of"]
