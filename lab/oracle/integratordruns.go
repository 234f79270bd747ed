package oracle

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"time"
)

// compareRuns compares what programs were started with. Not compared: the seconds and the random part in the names of temp files, the exact times,
// the numbers of pipes, and, unless the oracle is root, users and groups.
func (b *integratordBench) compareRuns(c integratordCase, got []probeRecord, began time.Time, change Mapping) string {
	want := c.Runs
	if len(want) != len(got) {
		return fmt.Sprintf("programs ran %d times, recorded are %d", len(got), len(want))
	}
	var differences []string
	for i, r := range want {
		where := fmt.Sprintf("run %d: ", i)
		differences = append(differences, prefix(where, linesDiff("fact", r.facts(change, c), b.facts(got[i]))),
			prefix(where, nearby("started", int64(r.StartedAfter*1000), got[i].Started.Sub(began))))
	}
	return joinDifferences(differences)
}

// tempName masks the name of a temp file: its folder (the lab's is its own), seconds and random part.
var tempName = regexp.MustCompile(`/(?:[\w.-]+/)*([\w.-]+?)-\d{9,}-(-?)\d+\.(alert|options)`)

func maskTemp(text string) string { return tempName.ReplaceAllString(text, "$1-….$3") }

func (r integratordRun) facts(change Mapping, c integratordCase) (list []string) {
	for i, arg := range r.Argv {
		list = append(list, fmt.Sprintf("argv[%d] %s", i, maskTemp(arg)))
	}
	sort.Strings(r.Environ)
	list = append(list, "environ "+strings.Join(r.Environ, " "), "cwd "+r.Cwd, "exe "+r.Exe, "umask "+r.Umask, "sig_ignored "+r.SigIgnored,
		fmt.Sprint("session_leader ", r.SessionLeader))
	var fds []string
	for _, fd := range r.FDs {
		fds = append(fds, fmt.Sprintf("%d %s %s", fd.FD, fd.To, fd.Access))
	}
	list = append(list, "fds "+strings.Join(fds, ", "))
	if isRoot() {
		list = append(list, "uid "+r.UID, "gid "+r.GID, "groups "+r.Groups)
	}
	for _, f := range r.Files {
		content, err := base64.StdEncoding.DecodeString(f.B64)
		if err != nil {
			return append(list, err.Error())
		}
		owner := ""
		if isRoot() {
			owner = f.UID + ":" + f.GID + " "
		}
		list = append(list, fmt.Sprintf("file %d: %s %s%d bytes", f.ArgvIndex, f.Mode, owner, f.Size), "content "+changedFile(change, string(content), c))
	}
	return list
}

func (b *integratordBench) facts(g probeRecord) (list []string) {
	for i, arg := range g.Argv {
		list = append(list, fmt.Sprintf("argv[%d] %s", i, maskTemp(arg)))
	}
	at := func(path string) string { return strings.Replace(path, b.home, recordedHome, 1) }
	list = append(list, "environ "+strings.Join(g.Environ, " "), "cwd "+at(g.Cwd), "exe "+at(g.Exe), "umask "+g.Umask,
		fmt.Sprintf("sig_ignored %016x", signalMask(g.SigIgnored)&^inheritedIgnored()),
		fmt.Sprint("session_leader ", g.SessionLeader))
	var fds []string
	for _, fd := range g.FDs {
		fds = append(fds, fmt.Sprintf("%d %s %s", fd.FD, at(fd.To), fd.Access))
	}
	list = append(list, "fds "+strings.Join(fds, ", "))
	if isRoot() {
		list = append(list, "uid "+names(g.UIDs), "gid "+names(g.GIDs), "groups "+names(g.Groups))
	}
	for _, f := range g.Files {
		owner := ""
		if isRoot() {
			owner = groupName(fmt.Sprint(f.UID)) + ":" + groupName(fmt.Sprint(f.GID)) + " "
		}
		list = append(list, fmt.Sprintf("file %d: %s %s%d bytes", f.ArgvIndex, f.Mode, owner, f.Size), "content "+string(f.Content))
	}
	return list
}

func names(ids []string) string {
	var list []string
	for _, id := range ids {
		list = append(list, groupName(id))
	}
	return strings.Join(list, " ")
}

// integratordLog takes out of a log what says nothing about alerts: lines of the daemon's start and of its other thread, and the note of each look at
// alerts.json, of which there is one a second. The order of two lines that come from the program's stdout and stderr is its own.
func integratordLog(lines []string, home string) (kept []string) {
	for _, line := range execdLog(lines) {
		if strings.Contains(line, "jqueue_next()") {
			continue
		}
		if home != "" {
			line = strings.ReplaceAll(line, home+"/tmp/", "/tmp/")
		}
		kept = append(kept, strings.TrimRight(maskTemp(line), " "))
	}
	return kept
}
