package event

import (
	"fmt"

	"custom-vault/internal/alert"
)

// Lost makes the event about alerts that are known to be lost. The bookmark behind the gap makes its id, so that
// reading the same gap again tells it once.
func Lost(gap Gap, bookmark string) Event {
	size := "an unknown number of bytes"
	if gap.Bytes >= 0 {
		size = fmt.Sprintf("%d bytes", gap.Bytes)
	}
	return Event{
		V: Version, Kind: KindGap, ID: IDOf(KindGap, gap.Source, gap.File, gap.Reason, bookmark), Gap: &gap,
		Sentence: Visible(fmt.Sprintf("Alerts were lost on their way in: %s, %s in %s (%s).", gap.Reason, size, gap.File, gap.Source)),
	}
}

// Dropped makes the event about alerts that stay with the identity that they were decided with at first, since more of
// them waited for a better one than may wait. first tells the first of them.
func Dropped(n, most int, first alert.Key) Event {
	return Event{
		V: Version, Kind: KindFault, ID: IDOf(KindFault, "late", first.String()),
		Sentence: fmt.Sprintf("Too many alerts waited for Vault, or for its hashed accessors, to say who it was: %d of them stay as they were decided at first (at most %d wait).", n, most),
	}
}

// Intruder makes the event about a request with our own token that was not ours.
func Intruder(a *alert.Alert) Event {
	record := a.Record
	return Event{
		V: Version, Kind: KindIntruder, ID: IDOf(KindIntruder, record.RequestID),
		AlertID: a.ID, Agent: AgentOf(a), Manager: a.Node,
		Request: requestOf(record),
		Sentence: Visible(fmt.Sprintf("Somebody else uses the token of this integration: %s on %s from %s. Revoke it and issue a new one.",
			record.Operation, record.Path, record.RemoteAddress)),
	}
}
