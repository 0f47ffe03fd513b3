# The answer to one question: all that was found against it, of which the strictest counts.
#
# Rules of your own stand in the package `resprout.own` (the setting `policy.dir`), as sets of sentences `deny` and
# `approve`: they can only make an answer stricter. What is to be allowed is granted.
package resprout.answer

import data.resprout.duties
import data.resprout.tools
import rego.v1

findings := tools.findings | duties.findings

# In base64, since the engine in our process does not write every text as JSON.
own_denials := [base64.encode(said) | some said in data.resprout.own.deny]

own_approvals := [base64.encode(said) | some said in data.resprout.own.approve]

default verdict := "allow"

verdict := "deny" if denied

verdict := "approve" if {
	not denied
	to_be_approved
}

denied if {
	some found in findings
	found.verdict == "deny"
}

denied if count(own_denials) > 0

to_be_approved if {
	some found in findings
	found.verdict == "approve"
}

to_be_approved if count(own_approvals) > 0

decision := {
	"verdict": verdict,
	"findings": findings,
	"own_denials": own_denials,
	"own_approvals": own_approvals,
	"grounds": array.concat(tools.grounds, duties.grounds),
	"expires_seconds": data.resprout.facts.approvals.expire_seconds,
}

explained := {
	"decision": decision,
	"roles": data.resprout.grants.roles,
	"opinions": tools.opinions,
}
