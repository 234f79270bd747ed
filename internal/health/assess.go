package health

import (
	"fmt"
	"strings"
	"time"

	"custom-vault/internal/vaultlookup"
)

// Bounds from which on something is a fault.
const (
	behindBytes  = 16 << 20
	waitsTooLong = 5 * time.Minute
	recently     = 24 * time.Hour
	// enoughLines is how many lines of one hour must have come by one way only before the other one counts as silent.
	enoughLines = 10
)

// Found is a fault that the facts show, before it is known since when.
type Found struct {
	Code Code
	Of   string // the cluster, source or worker; empty where there is but one
	Text string
}

// Assess judges the facts.
func Assess(f Facts) []Found {
	var found []Found
	say := func(code Code, of, format string, args ...any) {
		found = append(found, Found{Code: code, Of: of, Text: fmt.Sprintf(format, args...)})
	}
	assessStore(f, say)
	assessSources(f, say)
	for _, cluster := range f.Clusters {
		assessCluster(f, cluster, say)
	}
	assessPublishing(f, say)
	assessResponding(f, say)
	for _, worker := range f.Workers {
		if worker.Stuck(f.At) {
			say(WorkerStuck, worker.Name, "the %s has not gone on for %s", worker.Name, round(f.At.Sub(worker.Last)))
		}
	}
	if f.Refused != "" {
		say(ConfigRefused, "", "the new configuration was refused: %s", f.Refused)
	}
	return found
}

type sayer func(code Code, of, format string, args ...any)

func assessStore(f Facts, say sayer) {
	if f.StoreFailing != "" {
		say(StoreFailing, "", "the store fails: %s", f.StoreFailing)
	}
	if f.StoreMost > 0 && f.Store.Bytes > f.StoreMost {
		say(StoreTooBig, "", "the database uses %d MiB of %d MiB", f.Store.Bytes>>20, f.StoreMost>>20)
	}
}

func assessSources(f Facts, say sayer) {
	for _, source := range f.Sources {
		if source.Trouble != "" {
			say(SourceUnreadable, source.Name, "%s cannot be read: %s", source.Name, source.Trouble)
		}
		if source.Unread > behindBytes {
			say(SourceBehind, source.Name, "%d MiB of %s are not read yet", source.Unread>>20, source.Name)
		}
	}
	switch ways := f.Ways; {
	case ways.Both > 0:
	case ways.AlertsOnly >= enoughLines && ways.JournalOnly == 0:
		say(HookSilent, "", "%d alerts of the last hour came from alerts.json, none of them by the hook", ways.AlertsOnly)
	case ways.JournalOnly >= enoughLines && ways.AlertsOnly == 0:
		say(AlertsSilent, "", "%d alerts of the last hour came by the hook, none of them from alerts.json", ways.JournalOnly)
	}
	if within(f.Gap, f.At) {
		say(AlertsLost, "", "alerts were lost at %s", f.Gap.UTC().Format(time.RFC3339))
	}
}

func assessCluster(f Facts, cluster Cluster, say sayer) {
	own, left := cluster.Own, cluster.Own.Expires.Sub(f.At)
	switch {
	case !own.Valid && own.Problem != "":
		say(TokenInvalid, cluster.Name, "cluster %s: %s", cluster.Name, own.Problem)
	case !own.Valid:
		say(TokenInvalid, cluster.Name, "cluster %s: there is no token of ours that vault takes", cluster.Name)
	case own.Problem != "":
		say(TokenProblem, cluster.Name, "cluster %s: %s", cluster.Name, own.Problem)
	}
	if own.Valid && !own.Expires.IsZero() && left < expiresSoon(cluster) {
		say(TokenExpiring, cluster.Name, "cluster %s: our own token ends in %s", cluster.Name, round(left))
	}
	switch open := cluster.Stats.Open; {
	case open == 0:
	case open >= cluster.Nodes:
		say(VaultUnreachable, cluster.Name, "cluster %s: none of %d nodes tells who it was%s", cluster.Name, cluster.Nodes, becauseOf(cluster.Stats))
	default:
		say(VaultNodeAway, cluster.Name, "cluster %s: %d of %d nodes tell nothing%s", cluster.Name, open, cluster.Nodes, becauseOf(cluster.Stats))
	}
}

// becauseOf says what the nodes that tell nothing answered: a sealed node does answer.
func becauseOf(stats vaultlookup.Stats) string {
	if len(stats.Silent) == 0 {
		return ""
	}
	return " (" + strings.Join(stats.SilentBecause(), ", ") + ")"
}

// expiresSoon is how much time a token that is being renewed never comes down to: it is renewed at a third of its
// period. One that cannot be renewed is to be replaced by a person, who sleeps at weekends.
func expiresSoon(cluster Cluster) time.Duration {
	switch own := cluster.Own; {
	case !own.Renewable:
		return 72 * time.Hour
	case own.Period > 0:
		return own.Period / 2
	}
	return 10 * time.Minute
}

func assessPublishing(f Facts, say sayer) {
	if f.Away != "" {
		say(AnalysisdAway, "", "analysisd takes no events (%s): %s; %d events wait", f.Away, f.Away.Hint(), f.Store.Pending)
	} else if old := f.Store.OldestPending; !old.IsZero() && f.At.Sub(old) > waitsTooLong {
		say(EventsWaiting, "", "%d events wait to be sent, the oldest for %s", f.Store.Pending, round(f.At.Sub(old)))
	}
	if within(f.Store.NewestFault, f.At) {
		say(EventsUnseen, "", "events were given up, %d in all that are still kept, the last of them made at %s",
			f.Store.Faults, f.Store.NewestFault.UTC().Format(time.RFC3339))
	}
	if within(f.Intruder, f.At) {
		say(Intruder, "", "somebody else used our token, found at %s", f.Intruder.UTC().Format(time.RFC3339))
	}
}

func assessResponding(f Facts, say sayer) {
	if f.Store.Waiting > 0 {
		say(IntentsWaiting, "", "%d responses wait, the oldest for %s", f.Store.Waiting, round(f.At.Sub(f.Store.OldestWaiting)))
	}
	if f.Store.Running > 0 {
		say(PlanRunning, "", "a plan has been running for %s", round(f.At.Sub(f.Store.OldestRunning)))
	}
	r := f.Responding
	if within(r.UnclosedAt, f.At) {
		say(ResponseIncomplete, "", "%s, at %s", r.Unclosed, r.UnclosedAt.UTC().Format(time.RFC3339))
	}
	switch {
	case r.HaltUnknown != "":
		say(HaltUnknown, "", "the halt file cannot be looked at: %s", r.HaltUnknown)
	case r.Halted:
		say(Halted, "", "the halt file exists: nothing is acted on")
	}
}

func within(at, now time.Time) bool { return !at.IsZero() && now.Sub(at) < recently }

func round(d time.Duration) time.Duration { return max(d, 0).Round(time.Second) }
