package follow

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestAnAlertBehindATornOneIsDelivered(t *testing.T) {
	t.Parallel()
	alert := func(id int) string {
		return fmt.Sprintf(`{"timestamp":"2026-11-24T14:00:00.%03d+0000","rule":{"groups":["vault"]},"data":{"x":{"timestamp":"y"}},"full_log":"%s"}`,
			id, strings.Repeat("{\\\"timestamp\\\":\\\"", 50))
	}
	for piece := 1; piece < len(alert(1)); piece += 7 {
		m := newManager(t, tuesday)
		m.write(alert(0) + "\n" + alert(1)[:piece])
		f := m.follow(Bookmark{}, Options{Start: AtBegin})
		got, _ := now(f)
		expect(t, got, alert(0))
		m.rotate(tuesday) // analysisd is started again
		m.write(alert(2) + "\n" + alert(3) + "\n")
		gap := fmt.Sprintf("torn %s@%d+%d", tuesday, len(alert(0))+1, piece)
		var b Batch
		f.collect(context.Background(), Limits{Lines: 1, Bytes: 1 << 20}, &b)
		expect(t, texts(b.Items), gap)
		again := m.follow(b.Items[0].After, Options{})
		if again.Position().String() != b.Items[0].After.String() {
			t.Fatalf("taken up at %s, not at %s", again.Position(), b.Items[0].After)
		}
		got, _ = now(f)
		expect(t, got, alert(2), alert(3))
		got, _ = now(again)
		expect(t, got, alert(2), alert(3))
	}
}

func TestWhatCannotBeTakenApartStaysOneLine(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"a whole alert":        `{"timestamp":"1","data":{"timestamp":"2"}}`,
		"one inside another":   `{"timestamp":"1","data":{"timestamp":"2"},`,
		"the end of another":   `{"timestamp":"1","ru` + `ata":{"timestamp":"2"}}`,
		"two whole ones":       `{"timestamp":"1"}{"timestamp":"2","x`,
		"no alert":             `something {"else":1}`,
		"more than is tried":   strings.Repeat(`{"timestamp":"`, maxGlued+1) + `{"timestamp":"1"}`,
		"a piece of an object": `{"timestamp":"`,
	} {
		if n := glued([]byte(line)); n != 0 {
			t.Errorf("%s: %q was taken apart at %d", name, line, n)
		}
	}
}

// The hook closes what is torn, so a line of the journal is what one hook wrote.
func TestTheJournalsLinesAreNotTakenApart(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	line := `{"timestamp":"1","x` + `{"timestamp":"2"}`
	x.append(line+"\n", x.clock)
	got, _ := now(x.follow(Bookmark{}, Options{Start: AtBegin}))
	expect(t, got, line)
}
