# Token of `enrich serve`: find out who is behind an accessor. Reads identities and policies, changes nothing, sees no secret.
#
#   vault policy write wazuh-lookup wazuh-lookup.hcl
#   vault token create -orphan -no-default-policy -policy=wazuh-lookup -period=24h
#
# Orphan, because a child of a person's or of root's token dies with it. Renewed by its owner at a third of the period.

path "auth/token/lookup-accessor" { capabilities = ["update"] }

# One hash per call; narrow it to sys/audit-hash/<device> if only one device is collected. Needs no sudo.
path "sys/audit-hash/*" { capabilities = ["update"] }

path "identity/entity/id/*" { capabilities = ["read"] }
path "identity/group/id/*"  { capabilities = ["read"] }
path "sys/policies/acl/*"   { capabilities = ["read"] }

path "sys/capabilities-accessor" { capabilities = ["update"] }

# Its own life: without lookup-self a refusal cannot be told from a dead token.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self"  { capabilities = ["update"] }
