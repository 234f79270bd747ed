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
