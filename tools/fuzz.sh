#!/usr/bin/env bash
# Runs every fuzz target of the project and of its lab in turn, and stops at the first finding.
#
#   tools/fuzz.sh [TIME]    TIME for each target, such as 1m; without it all of them together take about ten minutes
#
# A finding is whatever makes `go test -fuzz` fail, with one exception: when the time of a target ends while a worker is
# at work, Go at times fails with nothing but "context deadline exceeded" (golang/go#75804). Such a target is run again,
# and has to end well: three times in a row is a finding, too. What was found lies below the package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

all_seconds=600
tries=3

# Lines of module, package and target.
targets=$(for module in . lab; do
	(cd "$module" && grep -r --include='*_test.go' --exclude-dir=lab --exclude-dir=vaultserver --exclude-dir=build -o '^func Fuzz[A-Za-z0-9_]*' .) |
		sed -E "s|^(.*)/[^/]*:func (.*)|$module \1 \2|"
done | sort -u)
count=$(wc -l <<<"$targets")
time=${1:-$((all_seconds / count))s}

output=$(mktemp)
trap 'rm -f "$output"' EXIT

# inputs lists what was found for a target before.
inputs() { [ ! -d "$1/$2/testdata/fuzz/$3" ] || find "$1/$2/testdata/fuzz/$3" -type f | sort; }

# only_deadline says whether a run failed for the end of its time alone.
only_deadline() {
	grep -q '^ *context deadline exceeded$' "$output" && ! grep -qE 'Failing input|panic:|minimizing|seed corpus|_test\.go:[0-9]+:' "$output"
}

executions=0
began=$SECONDS
while read -r module package target; do
	before=$(inputs "$module" "$package" "$target")
	for ((try = 1; ; try++)); do
		echo "== $module $package $target for $time"
		ended=0
		(cd "$module" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s "$package") </dev/null >"$output" 2>&1 || ended=$?
		grep -v '^fuzz: elapsed: [0-9hms]*, \(execs\|gathering\)' "$output" || true
		# Parallel workers report their sum, and the last line is the highest.
		executed=$(sed -nE 's/.*execs: ([0-9]+).*/\1/p' "$output" | tail -n 1)
		executions=$((executions + ${executed:-0}))
		echo "   ${executed:-0} executions"
		[ "$ended" -ne 0 ] || break
		if [ "$before" != "$(inputs "$module" "$package" "$target")" ] || ! only_deadline || [ "$try" -eq "$tries" ]; then
			echo "fuzz: $module $package $target: a finding; keep what is new below its testdata/fuzz once it is mended" >&2
			exit 1
		fi
		echo "   its time ended while it was at work (golang/go#75804): once more"
	done
done <<<"$targets"
echo "fuzz: $count targets, $((SECONDS - began)) seconds, $executions executions, no finding"
