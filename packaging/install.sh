#!/usr/bin/env bash
# Puts the built files where they belong, below DESTDIR: install.sh manager|agent.
# Owners are set when this runs as root and the user exists; otherwise each is named, for whoever unpacks DESTDIR.
# A configuration that is there already is never touched.
set -euo pipefail
umask 022 # folders that are made on the way, below DESTDIR or /usr/share

role=${1:?usage: install.sh manager|agent}
root=${DESTDIR:-}
bin=${BIN:?where the built binaries are}
ossec=$root/var/ossec
notes=()

# own USER:GROUP PATH [NAME]: NAME is what PATH will be called in the end.
own() {
  if [ "$(id -u)" = 0 ] && id -u "${1%%:*}" >/dev/null 2>&1 && getent group "${1##*:}" >/dev/null; then
    chown "$1" "$2"
  else
    local name=${3:-$2}
    notes+=("chown $1 ${name#"$root"}")
  fi
}

# put MODE USER:GROUP SOURCE TARGET: replaces the file in one step, so that a running program is never half of each.
put() {
  mkdir -p "$(dirname "$4")"
  install -m 0600 "$3" "$4.new"
  own "$2" "$4.new" "$4"
  chmod "$1" "$4.new"
  mv -f "$4.new" "$4"
  echo "  ${4#"$root"}"
}

# once MODE USER:GROUP SOURCE TARGET: as put, but keeps what is there.
once() {
  if [ -e "$4" ]; then echo "  ${4#"$root"} (kept as it is)"; else put "$@"; fi
}

# folder MODE USER:GROUP PATH
folder() {
  mkdir -p "$3"
  own "$2" "$3"
  chmod "$1" "$3"
  echo "  ${3#"$root"}/"
}

manager() {
  put 0755 root:root "$bin/enrich" "$root/usr/bin/enrich"
  # integratord refuses a program that its own user could change (exec_op.c:232).
  put 0750 root:wazuh "$bin/custom-vault" "$ossec/integrations/custom-vault"
  folder 0750 root:wazuh "$ossec/queue/custom-vault"
  folder 0770 wazuh:wazuh "$ossec/queue/custom-vault/journal"
  folder 0750 root:custom-vault "$root/etc/custom-vault"
  folder 0700 custom-vault:custom-vault "$root/etc/custom-vault/secrets"
  folder 0700 custom-vault:custom-vault "$root/var/lib/custom-vault"
  once 0640 root:custom-vault packaging/config.yml "$root/etc/custom-vault/config.yml"
  for file in ossec-snippets/decoders/*.xml; do put 0660 wazuh:wazuh "$file" "$ossec/etc/decoders/$(basename "$file")"; done
  for file in ossec-snippets/rules/*.xml; do put 0660 wazuh:wazuh "$file" "$ossec/etc/rules/$(basename "$file")"; done
  for file in ossec-snippets/ossec.conf/*.xml; do put 0644 root:root "$file" "$root/usr/share/custom-vault/ossec.conf/$(basename "$file")"; done
  for file in ossec-snippets/vault-policies/*.hcl; do put 0644 root:root "$file" "$root/usr/share/custom-vault/vault-policies/$(basename "$file")"; done
}

agent() {
  put 0750 root:wazuh "$bin/vault-seal" "$ossec/active-response/bin/vault-seal"
  folder 0700 root:root "$ossec/var/vault-seal"
  once 0640 root:root packaging/vault-seal.yml "$root/etc/vault.d/vault-seal.yml"
}

echo "installing the $role's side below ${root:-/}:"
case $role in
  manager) manager ;;
  agent) agent ;;
  *) echo "usage: install.sh manager|agent" >&2; exit 2 ;;
esac
for old in "$ossec/etc/decoders/vault_decoder.xml" "$ossec/etc/rules/vault_audit.xml"; do
  if [ -e "$old" ]; then
    echo "remove ${old#"$root"}: it is the published article's, is loaded before ours, and hides them as duplicates" >&2
  fi
done
if [ ${#notes[@]} -gt 0 ]; then
  echo "still to be done, as root, where the users exist (docs/install.md makes them):"
  printf '  %s\n' "${notes[@]}"
fi
