package oracle

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stalled is after how long without a result a send counts as blocked; loadingLimit is how long that may take to come about.
const (
	stalled      = 200 * time.Millisecond
	loadingLimit = 10 * time.Second
)

// duringStart connects and sends over and over while the daemon starts: it opens its socket, and reads it only when a send has blocked, as the real
// one does once it has loaded its rules. Compared are the results in their order, and that a send did block.
func (d *desk) duringStart(c queueCase) (string, error) {
	if err := d.up(); err != nil {
		return "", err
	}
	if err := d.end(); err != nil {
		return "", err
	}
	results, stop, ended := make(chan string), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			result := errnoName(sendOnce(d.path))
			select {
			case results <- result:
			case <-stop:
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	var got []string
	note := func(result string) {
		if len(got) == 0 || got[len(got)-1] != result {
			got = append(got, result)
		}
	}
	note(<-results) // while it is down
	if err := d.listen(); err != nil {
		close(stop)
		<-ended
		return "", err
	}
	blocked := false
	for deadline := time.Now().Add(loadingLimit); !blocked && time.Now().Before(deadline); {
		select {
		case result := <-results:
			note(result)
		case <-time.After(stalled):
			blocked = true
		}
	}
	d.serve()
	for deadline := time.Now().Add(patience); len(got) < len(c.Changes) && time.Now().Before(deadline); {
		note(<-results) // the first of them may be from before the daemon listened
	}
	close(stop)
	<-ended
	var want []string
	for _, change := range c.Changes {
		want = append(want, fmt.Sprint(change[1]))
	}
	return joinDifferences([]string{
		linesDiff("result", want, got), linesDiff("a send blocked until the rules were loaded", []string{"true"}, []string{fmt.Sprint(blocked)}),
	}), nil
}

func sendOnce(path string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // a datagram socket
	if err := conn.SetWriteDeadline(time.Now().Add(2 * loadingLimit)); err != nil {
		return err
	}
	_, err = conn.Write([]byte("1:oracle:a line"))
	return err
}

const (
	floodFor   = 4 * time.Second
	floodEvent = 983
	// pacedLimit is up to which rate a flood counts as paced.
	pacedLimit = 5000
)

// flood sends JSON events as fast as it can, or paced. Compared: what is logged, the keys of the state file and the queue's size, that events were
// dropped or not, and that every event received was decoded or dropped.
func (d *desk) flood(c queueCase) (string, error) {
	if err := d.up(); err != nil {
		return "", err
	}
	logBefore, before := len(d.log.Lines()), d.queue.Counters()
	drops := d.dropsOf(c)
	if err := d.sendFlood(c.PerSecond, drops, before.Dropped); err != nil {
		return "", err
	}
	waitFor(patience, func() bool {
		now := d.queue.Counters()
		return now.Processed+now.Dropped == now.Received
	})
	if err := d.queue.WriteState(); err != nil {
		return "", err
	}
	state, err := readState(d.state)
	if err != nil {
		return "", err
	}
	after := d.queue.Counters()
	facts := []string{
		"keys " + strings.Join(slices.Sorted(maps.Keys(state)), " "), "size " + state["event_queue_size"], "usage " + state["event_queue_usage"],
		fmt.Sprint("dropped ", after.Dropped > before.Dropped), fmt.Sprint("all accounted for ", after.Decoded+after.Dropped == after.Received),
		"dropped in the file " + state["events_dropped"],
	}
	want := []string{
		"keys " + strings.Join(slices.Sorted(maps.Keys(c.State)), " "), "size " + c.State["event_queue_size"], "usage " + c.State["event_queue_usage"],
		fmt.Sprint("dropped ", drops), "all accounted for true", fmt.Sprint("dropped in the file ", after.Dropped),
	}
	return joinDifferences([]string{linesDiff("fact", want, facts), linesDiff("log line", c.Log, d.log.Lines()[logBefore:])}), nil
}

// dropsOf says whether events were dropped in a recorded flood: its counter goes on from that of the flood before. Without one, the daemon's word
// tells, which it says once.
func (d *desk) dropsOf(c queueCase) bool {
	before := d.recordedDrops
	d.recordedDrops = c.State["events_dropped"]
	if before == "" {
		return d.recordedDrops != "0" && len(c.Log) > 0
	}
	return d.recordedDrops != before
}

// sendFlood sends at a rate for as long as the recorded sender did, and if it is to be too fast and was not yet, for longer.
func (d *desk) sendFlood(perSecond int, drops bool, dropsBefore uint64) error {
	fd, err := open(d.path, syscall.SOCK_DGRAM)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer syscall.Close(fd) //nolint:errcheck // a datagram socket
	head := `1:oracle:{"oracle":"`
	frame := []byte(head + strings.Repeat("x", floodEvent-len(head)+len("1:oracle:")-2) + `"}`)
	began, sent := time.Now(), 0
	goOn := func() bool {
		took := time.Since(began)
		return took < floodFor || drops && took < patience && d.queue.Counters().Dropped == dropsBefore
	}
	for goOn() {
		if perSecond <= pacedLimit {
			time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / time.Duration(max(perSecond, 1)))))
		}
		if err := send(fd, frame); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("send: %w", err)
		}
		sent++
	}
	return nil
}

func readState(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the state file: %w", err)
	}
	state := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			state[key] = strings.Trim(value, "'")
		}
	}
	return state, nil
}
