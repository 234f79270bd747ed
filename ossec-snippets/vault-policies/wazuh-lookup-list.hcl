# wazuh-lookup, and the list of all accessors: needed only where the collected audit device hashes accessors (hmac_accessor=true, Vault's default),
# because a hash can be undone only by hashing every accessor there is. The better way is a device with hmac_accessor=false and the policy wazuh-lookup.
#
#   vault policy write wazuh-lookup-list wazuh-lookup-list.hcl
#   vault token create -orphan -no-default-policy -policy=wazuh-lookup-list -period=24h

path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "sys/audit-hash/*"           { capabilities = ["update"] }
path "identity/entity/id/*"       { capabilities = ["read"] }
path "identity/group/id/*"        { capabilities = ["read"] }
path "sys/policies/acl/*"         { capabilities = ["read"] }
path "sys/capabilities-accessor"  { capabilities = ["update"] }
path "auth/token/lookup-self"     { capabilities = ["read"] }
path "auth/token/renew-self"      { capabilities = ["update"] }

# With the slash at the end: that is the path of a LIST. Vault demands sudo for it.
path "auth/token/accessors/" { capabilities = ["list", "sudo"] }
