# Token of `vault-seal` on the agent: seal this Vault, and keep itself alive. Nothing else.
#
#   vault policy write wazuh-seal wazuh-seal.hcl
#   vault token create -orphan -no-default-policy -policy=wazuh-seal -period=720h
#
# Both capabilities are needed: without sudo, or with create in place of update, Vault answers 403.

path "sys/seal" { capabilities = ["update", "sudo"] }

path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self"  { capabilities = ["update"] }
