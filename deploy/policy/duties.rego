# May somebody grant, revoke, answer an approval, resolve an effect, or import tools?
#
# People may, by their roles; agents and runs never, whatever they were granted. Nobody answers what was asked in his
# own name: the question brings who asked, as `asked_by`, and one that does not is refused.
package resprout.duties

import data.resprout.grants
import rego.v1

is_duty if input.action != "tool.call"

findings contains {"principal": principal, "verdict": "deny", "why": "machine"} if {
	is_duty
	some principal in input.chain
	not is_person(principal)
}

findings contains {"principal": principal, "verdict": "deny", "why": "no role"} if {
	is_duty
	some principal in input.chain
	is_person(principal)
	not may(principal)
}

findings contains {"principal": principal, "verdict": "deny", "why": "own asking"} if {
	input.action == "approval.answer"
	some principal in input.chain
	principal in object.get(input, "asked_by", [])
	not answers_own_agents(principal)
}

findings contains {"principal": actor, "verdict": "deny", "why": "asker unknown"} if {
	input.action == "approval.answer"
	count(object.get(input, "asked_by", [])) == 0
}

actor := input.chain[count(input.chain) - 1]

# What is allowed stands on these.
grounds := [role |
	is_duty
	some principal in input.chain
	some role in grants.roles_of(principal)
	input.action in data.resprout.facts.roles[role].may
]

is_person(principal) if startswith(principal, "user:")

may(principal) if {
	some role in grants.roles_of(principal)
	input.action in data.resprout.facts.roles[role].may
}

# Who has no colleagues answers what his agents and runs ask. What he asks himself he may grant himself.
answers_own_agents(principal) if {
	some role in grants.roles_of(principal)
	data.resprout.facts.roles[role].answers_own_agents
	asked_by := input.asked_by
	asked_by[count(asked_by) - 1] != principal
	not is_person(asked_by[count(asked_by) - 1])
}
