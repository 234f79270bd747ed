package identity

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurationsAreSecondsInJSON(t *testing.T) {
	t.Parallel()
	token := Token{
		Type: "service", TTL: 90 * time.Minute, ExplicitMaxTTL: 24 * time.Hour, Period: time.Hour, Orphan: true, UsesLeft: 3,
		Created: time.Unix(1795500000, 0).UTC(), Metadata: map[string]string{"username": "bob"}, State: StateLive,
	}
	text, err := json.Marshal(Identity{V: Version, Rung: RungAccessor, Confidence: Confirmed, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ttl_s":5400`, `"explicit_max_ttl_s":86400`, `"period_s":3600`, `"uses_left":3`, `"state":"live"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, unwanted := range []string{`"ttl"`, `"period"`, `"TTL"`, "000000000"} {
		if strings.Contains(string(text), unwanted) {
			t.Errorf("%s in %s", unwanted, text)
		}
	}
	var back Identity
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(token, back.Token); difference != "" {
		t.Error(difference)
	}
}

func TestATokenWithoutDurationsHasNone(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Token{State: StateUnknown})
	if err != nil || string(text) != `{"state":"unknown"}` {
		t.Errorf("%s, %v", text, err)
	}
}
