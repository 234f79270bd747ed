package identity

import "testing"

func TestBetterIsUpwardsOnly(t *testing.T) {
	t.Parallel()
	byRung := func(rung Rung, confidence Confidence, why Reason) Identity {
		return Identity{Rung: rung, Confidence: confidence, Why: why}
	}
	for _, c := range []struct {
		name         string
		later, first Identity
		want         bool
	}{
		{"vault is back", byRung(RungAccessor, Confirmed, ""), byRung(RungRecord, Unconfirmed, ReasonUnreachable), true},
		{"the index caught up", byRung(RungHash, Confirmed, ""), byRung(RungEntity, Confirmed, ReasonHashed), true},
		{"the entity is to be had", byRung(RungEntity, Confirmed, ReasonGone), byRung(RungRecord, Unconfirmed, ReasonSealed), true},
		{"a missing part is to be had", byRung(RungAccessor, Confirmed, ""), byRung(RungAccessor, Confirmed, ReasonTimeout), true},
		{"the same", byRung(RungAccessor, Confirmed, ""), byRung(RungAccessor, Confirmed, ""), false},
		{"still away", byRung(RungRecord, Unconfirmed, ReasonSealed), byRung(RungRecord, Unconfirmed, ReasonUnreachable), false},
		{"gone meanwhile", byRung(RungEntity, Confirmed, ReasonGone), byRung(RungAccessor, Confirmed, ReasonTimeout), false},
		{"away now", byRung(RungRecord, Unconfirmed, ReasonUnreachable), byRung(RungEntity, Confirmed, ReasonHashed), false},
		{"nobody", byRung(RungNobody, Recorded, ReasonFailedLogin), byRung(RungRecord, Recorded, ""), false},
	} {
		if got := c.later.Better(c.first); got != c.want {
			t.Errorf("%s: Better = %v", c.name, got)
		}
	}
}
