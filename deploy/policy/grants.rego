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
	is_about(grant.verdict, action, need)
	of_this_tool(grant)
}

# Of all that the need may be, not of a part of it.
covers(grant, need) if {
	not grant.actions[0]
	of_this_tool(grant)
}

covers(grant, need) if {
	some action in grant.actions
	is_about("allow", action, need)
	of_this_tool(grant)
}

is_about(_, action, need) if {
	named(action.action, need.action)
	reaches(action, need)
}

# A need may be many things at once: a pattern, or a folder. What is denied, or approved first, is so within it, too.
is_about(verdict, action, need) if {
	not verdict == "allow"
	named(action.action, need.action)
	meets(host(need, action.on), spread(need))
}

is_about(verdict, action, need) if {
	not verdict == "allow"
	named(action.action, need.action)
	is_of_files(need)
	startswith(split(action.on, "*")[0], concat("", [need.on, "/"]))
}

# Two patterns that may have a text in common, by how they begin and end.
meets(pattern, many) if {
	contains(many, "*")
	ours := split(pattern, "*")
	theirs := split(many, "*")
	begin_alike(ours[0], theirs[0])
	end_alike(ours[count(ours) - 1], theirs[count(theirs) - 1])
}

begin_alike(one, other) if startswith(one, other)

begin_alike(one, other) if startswith(other, one)

end_alike(one, other) if endswith(one, other)

end_alike(one, other) if endswith(other, one)

# With `*` for whatever stands for several.
spread(need) := host(need, need.on) if not is_of_files(need)

spread(need) := replace(replace(replace(need.on, "?", "*"), "[", "*"), "]", "*") if {
	is_of_files(need)
	not need.on in {"workspace:.", "/"}
}

spread(need) := replace(need.on, ".", "*") if {
	is_of_files(need)
	need.on == "workspace:."
}

spread(need) := "/*" if {
	is_of_files(need)
	need.on == "/"
}

is_of_files(need) if need.action == "files.read"

is_of_files(need) if need.action == "files.write"

host(need, text) := lower(text) if need.action == "net.connect"

host(need, text) := text if not need.action == "net.connect"

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
	is_about(grant.verdict, action, need)
]))

tool_precision(grant) := max(array.concat([0], [literal(tool.name) | some tool in grant.tools; named(tool.name, input.tool)]))

literal(pattern) := count(replace(pattern, "*", ""))
