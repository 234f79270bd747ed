// Package publish puts events back into Wazuh: rows of an outbox become datagrams on analysisd's queue socket, in
// analysisd's framing, at a pace that analysisd can take.
//
// It may import the standard library alone. The outbox is an interface declared here; who implements it decides how
// it is stored.
//
// It must never take a datagram that left for an event that arrived (analysisd drops without a word: only the echo in
// alerts.json proves it), never let the text of an alert change the framing, and never hold more than one batch in
// memory.
//
// A row's states:
//
//	pending ──MarkSent──▶ sent ──echo──▶ seen
//	   ▲                   │  ▲
//	   └────MarkUnsent─────┘  └─ sent again when no echo came within SeenWithin, MaxSends times in all
//	pending, sent ──MarkFault──▶ fault
//
// MarkSent comes before the datagram: after a crash, a row in doubt waits for its echo instead of being sent twice.
package publish
