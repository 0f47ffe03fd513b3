# Which grants and roles speak of a principal, a tool and what a call needs.
#
# The only wildcard is `*`, which stands for any text. A pre-release counts as its release.
#
# The engine in our process copies all of its variables for each call of a built-in function: so `not list[0]` stands
# here where count(list) == 0 would read better, and arrays are put together by comprehension.
package resprout.grants

import rego.v1

# In OPA the grants stand in the data; our own process gives those that may matter with the question.
given := object.get(input, "grants", data.resprout.facts.grants)

# Arrays throughout: the engine in our process is slow with sets of objects.
in_force := [grant |
	some grant in given
	is_of_tenant(grant)
	not expired(grant)
]

is_of_tenant(grant) if grant.tenant == "*"

is_of_tenant(grant) if grant.tenant == input.tenant

expired(grant) if {
	not grant.expires == null
	grant.expires <= input.now
}

roles := {principal: [role | some part in [["everyone"], owned(principal), granted_roles(principal)]; some role in part] |
	some principal in input.chain
}

owned(principal) := ["owner" | some owner in data.resprout.facts.owners; owner == principal]

granted_roles(principal) := [grant.role |
	some grant in in_force
	grant.role != null
	named(grant.principal, principal)
]

# Everybody for whom it is done, with what they hold.
holders := [{"principal": principal, "roles": roles_of(principal)} |
	some principal in input.chain
]

# What speaks of tools and actions.
granted := [grant |
	some grant in in_force
	grant.role == null
]

# Looked up by a call: the engine in our process takes a reference into a module, as in grants.roles[x], for every x.
roles_of(principal) := object.get(roles, principal, [])

# To the principal, to everybody of its pattern, or to a role that it has.
is_for(grant, principal) if named(grant.principal, principal)

is_for(grant, principal) if {
	startswith(grant.principal, "role:")
	some role in roles_of(principal)
	grant.principal == concat(":", ["role", role])
}

named("*", _)

named(pattern, value) if pattern == value

named(pattern, value) if {
	not pattern == value
	not pattern == "*"
	contains(pattern, "*")
	glob.match(pattern, null, value)
}

# Without actions, a grant speaks of the tools as a whole; without tools, of whatever tool does it.
speaks_of(grant, need) if {
	not grant.actions[0]
	of_this_tool(grant)
}

speaks_of(grant, need) if {
	some action in grant.actions
	named(action.action, need.action)
	reaches(action, need)
	of_this_tool(grant)
}

reaches(action, need) if named(action.on, need.on)

# Names of hosts are the same in small letters.
reaches(action, need) if {
	need.action == "net.connect"
	not named(action.on, need.on)
	named(lower(action.on), lower(need.on))
}

of_this_tool(grant) if not grant.tools[0]

of_this_tool(grant) if {
	some tool in grant.tools
	named(tool.name, input.tool)
	in_reach(grant.verdict, tool.range)
}

# A denial of some versions holds for all that are older, too: nobody escapes it backwards.
in_reach("deny", range) if {
	every clause in range {
		no_newer(clause)
	}
}

in_reach(verdict, range) if {
	verdict != "deny"
	every clause in range {
		holds(clause)
	}
}

no_newer(clause) if clause.op in {">=", ">"}

no_newer(clause) if {
	clause.op == "<"
	age(clause) < 0
}

no_newer(clause) if {
	clause.op in {"<=", "=="}
	age(clause) <= 0
}

holds(clause) if {
	clause.op in {"<", "<="}
	no_newer(clause)
}

holds(clause) if {
	clause.op == "=="
	input.version == clause.version
}

holds(clause) if {
	clause.op == ">="
	age(clause) >= 0
}

holds(clause) if {
	clause.op == ">"
	age(clause) > 0
}

# Below zero: the version of the call is older than that of the clause.
age(clause) := order(input.version) - order(clause.version)

# One number, since the engine in our process orders neither arrays nor, by semver.compare, versions as OPA does.
order(version) := ((to_number(parts[0]) * 1000000) + to_number(parts[1])) * 1000000 + to_number(parts[2]) if {
	parts := split(split(version, "-")[0], ".")
}

# Of two grants that fit, the more precise decides: by what it is done to, then by tool, then by principal.
# One number, as above.
precision(grant, need) := ((on_precision(grant, need) * 1000000) + (tool_precision(grant) * 1000)) + literal(grant.principal)

on_precision(grant, need) := max(array.concat([0], [literal(action.on) |
	some action in grant.actions
	named(action.action, need.action)
	reaches(action, need)
]))

tool_precision(grant) := max(array.concat([0], [literal(tool.name) | some tool in grant.tools; named(tool.name, input.tool)]))

literal(pattern) := count(replace(pattern, "*", ""))
