# May this tool be called, with these arguments, for everybody in whose name it is called?
#
# Safe by default: what only computes, or works on files of its run's own workspace, is allowed. All else needs a grant,
# for each principal of the chain and each thing that the call does: who acts for somebody else may never do more than
# he may. A denial wins over every grant. Of an `allow` and an `approve` the more precise decides, and `approve` between
# equals.
package resprout.tools

import data.resprout.grants
import rego.v1

needs := array.concat([call], input.permissions)

opinions := [{"principal": holder.principal, "need": need, "said": said(holder, need)} |
	input.action == "tool.call"
	some holder in grants.holders
	some need in needs
]

said(holder, need) := [opinion |
	some part in [from_rules(need), from_roles(holder.roles, need), from_grants(holder.principal, need)]
	some opinion in part
]

from_grants(principal, need) := [{"verdict": grant.verdict, "weight": grants.precision(grant, need), "by": grant.id} |
	some grant in grants.granted
	grants.is_for(grant, principal)
	grants.speaks_of(grant, need)
]

from_roles(roles, need) := [{"verdict": verdict, "weight": -1, "by": role} |
	some role in roles
	some verdict in ["allow", "approve"]
	some pattern in data.resprout.facts.roles[role][verdict]
	[action, on] := split_once(pattern)
	grants.named(action, need.action)
	grants.named(on, need.on)
]

split_once(pattern) := [substring(pattern, 0, at), substring(pattern, at + 1, -1)] if {
	at := indexof(pattern, ":")
}

from_rules(need) := [{"verdict": "allow", "weight": -2, "by": "rule"} | free(need)]

free(need) if need.action == "tool.call"

free(need) if {
	grants.is_of_files(need)
	in_workspace(need.on)
}

# A path that is not absolute is one of the run's own workspace.
in_workspace(path) if {
	not path in {"", "*"}
	not startswith(path, "/")
	not startswith(path, "~")
}

# What each allowed thing stands on: of those who allow it, the most precise.
grounds := [opinion.by |
	some held in opinions
	most := max([opinion.weight | some opinion in held.said; opinion.verdict == "allow"])
	some opinion in held.said
	opinion.verdict == "allow"
	opinion.weight == most
]

# One for each principal and each need that is not simply allowed.
findings contains found if {
	some held in opinions
	found := judged(held)
}

judged(held) := {"principal": held.principal, "need": held.need, "verdict": "deny", "why": "not granted", "by": []} if {
	not is_covered(held)
	not denied(held.said)
}

judged(held) := {"principal": held.principal, "need": held.need, "verdict": "deny", "why": "denied", "by": by} if {
	denied(held.said)
	by := [opinion.by | some opinion in held.said; opinion.verdict == "deny"]
}

judged(held) := {"principal": held.principal, "need": held.need, "verdict": "approve", "why": "granted so", "by": by} if {
	to_be_approved(held.said)
	is_covered(held)
	not denied(held.said)
	most := heaviest(held.said)
	by := [opinion.by | some opinion in held.said; opinion.verdict == "approve"; opinion.weight == most]
	count(by) > 0
}

findings contains {"principal": principal, "need": call, "verdict": "approve", "why": "danger", "by": []} if {
	input.action == "tool.call"
	input.danger == "high"
	some principal in input.chain
	not trusted(principal)
}

findings contains {"principal": principal, "need": call, "verdict": "deny", "why": "older", "by": []} if {
	input.action == "tool.call"
	input.version != input.newest
	chosen_by_machine
	some principal in input.chain
	not pinned(principal)
}

findings contains {"principal": actor, "need": need, "verdict": "deny", "why": "malformed", "by": []} if {
	input.action == "tool.call"
	some need in needs
	malformed(need)
	actor := input.chain[count(input.chain) - 1]
}

findings contains {"principal": actor, "need": call, "verdict": "deny", "why": "no version", "by": []} if {
	input.action == "tool.call"
	not plain
	actor := input.chain[count(input.chain) - 1]
	not regex.match(`^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(-[0-9A-Za-z.-]+)?$`, input.version)
}

# The version and all that is needed, looked at once: what is wrong is looked for only where something is.
plain if regex.match(
	`^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(-[0-9A-Za-z.-]+)? [^[:cntrl:]]*$`,
	concat(" ", [said | some part in [[input.version], [need.on | some need in needs]]; some said in part]),
)

call := {"action": "tool.call", "on": input.tool}

# By somebody's word on all of it. A denial, or an approval that is wanted, may speak of a part, and never allows.
is_covered(held) if {
	some opinion in held.said
	opinion.verdict == "allow"
}

is_covered(held) if {
	some opinion in held.said
	opinion.verdict == "approve"
	opinion.weight < 0
}

is_covered(held) if {
	to_be_approved(held.said)
	some grant in grants.granted
	grants.is_for(grant, held.principal)
	grants.covers(grant, held.need)
}

denied(said) if {
	some opinion in said
	opinion.verdict == "deny"
}

to_be_approved(said) if {
	some opinion in said
	opinion.verdict == "approve"
}

heaviest(said) := max([opinion.weight | some opinion in said])

# By a grant to call this tool, by its whole name, that wants no approval. One of what the tool does says nothing of it.
trusted(principal) if {
	some grant in grants.granted
	grants.is_for(grant, principal)
	grant.verdict == "allow"
	is_to_call(grant)
	some tool in grant.tools
	tool.name == input.tool
	grants.in_reach(grant.verdict, tool.range)
}

is_to_call(grant) if not grant.actions[0]

is_to_call(grant) if {
	some action in grant.actions
	grants.is_about(grant.verdict, action, call)
}

# A person may pin the version of a tool, in a call or in a flow. A machine could look for one that is less guarded.
chosen_by_machine if {
	some principal in input.chain
	not startswith(principal, "user:")
	not startswith(principal, "run:")
}

pinned(principal) if {
	some grant in grants.granted
	grants.is_for(grant, principal)
	grant.verdict != "deny"
	some tool in grant.tools
	count(tool.range) > 0
	grants.named(tool.name, input.tool)
	grants.in_reach(grant.verdict, tool.range)
}

malformed(need) if {
	not plain
	regex.match(`[[:cntrl:]]`, need.on)
}

malformed(need) if {
	grants.is_of_files(need)
	some part in split(need.on, "/")
	part == ".."
}

malformed(need) if {
	need.action == "net.connect"
	need.on != "*"
	not regex.match(`^((\*\.)?[A-Za-z0-9_.-]+|\*|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]*|\*)$`, need.on)
}
