package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/analysisd"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/queue"
)

// queueCase is a line of queue/cases.jsonl: what a sender on analysisd's socket gets.
type queueCase struct {
	Name, About string
	Connect     *callResult
	Send        *callResult
	SendAgain   *callResult `json:"send_again"`
	SendTo      *callResult `json:"sendto"`
	FileExists  *bool       `json:"file_exists"`
	Mode        string
	Owner       string
	DirMode     string `json:"dir_mode"`
	Accepted    int
	Then        string
	Changes     [][2]any `json:"changes_ms"`
	PerSecond   int      `json:"per_s"`
	State       map[string]string
	Log         []string
}

type callResult struct{ Result string }

// What is compared of a case are the names of the errors, modes and owner, log lines, and what the counters say about each other. Not compared: how
// long a call took and how many datagrams a machine sends in a second.

// desk is the queue, and the sockets that cases hand on to each other.
type desk struct {
	path   string
	state  string
	log    *osseclog.Memory
	queue  *queue.Queue
	stop   context.CancelFunc
	done   chan error
	held   int // a socket that was connected before the daemon stopped
	paused int // the one that filled the queue of a paused daemon
	// refused is the error with which a paused daemon's queue was full.
	refused error
	// recordedDrops is the counter of the recorded flood before.
	recordedDrops string
	rules         *analysisd.Ruleset
}

func runQueue(dir string, m *Mutator, report *Report) error {
	return playTwice(report, func(v *verdicts) error {
		w, err := newWorkshop()
		if err != nil {
			return err
		}
		defer w.close()
		d, err := w.desk()
		if err != nil {
			return err
		}
		defer d.close()
		cases, err := readCases[queueCase](filepath.Join(dir, "cases.jsonl"), v)
		if err != nil {
			return err
		}
		for _, c := range cases {
			reason := ""
			difference := compared(func() (difference string, err error) {
				difference, reason, err = d.replay(c)
				return difference, err
			})
			v.settle(c.Name, difference, reason)
		}
		if err := runAgentFrames(w, filepath.Join(dir, "agent-frames.jsonl"), m, v); err != nil {
			return err
		}
		return runAgentOrder(w, filepath.Join(dir, "agent-order.jsonl"), v)
	})
}

func (w *workshop) desk() (*desk, error) {
	home, err := w.home()
	if err != nil {
		return nil, err
	}
	rules, _, err := analysisd.Load(minimalRules())
	if err != nil {
		return nil, fmt.Errorf("load the smallest ruleset: %w", err)
	}
	d := &desk{path: filepath.Join(home, "queue/sockets/queue"), state: filepath.Join(home, "var/run/wazuh-analysisd.state"),
		log: &osseclog.Memory{}, rules: rules, held: -1, paused: -1}
	if err := d.listen(); err != nil {
		return nil, err
	}
	d.serve()
	return d, nil
}

func (d *desk) listen() (err error) {
	cfg := queue.Config{Path: d.path, StateFile: d.state, Capacity: queue.RealCapacity, Log: osseclog.Logger{Program: "wazuh-analysisd", Sink: d.log}}
	if isRoot() {
		id := wazuhID
		cfg.UID, cfg.GID = &id, &id
	}
	d.queue, err = queue.Listen(cfg)
	return err
}

// serve reads the queue as analysisd does, with one thread that decodes and one that matches.
func (d *desk) serve() {
	ctx, stop := context.WithCancel(context.Background())
	d.stop, d.done = stop, make(chan error, 1)
	engine := analysisd.NewEngine(d.rules, analysisd.Options{})
	q, done := d.queue, d.done
	go func() {
		done <- q.Serve(ctx, func(frame []byte, at time.Time) {
			for _, line := range engine.Process(frame, at).Log {
				d.log.Line(line)
			}
		})
	}()
}

func (d *desk) end() error {
	if d.stop == nil {
		return nil
	}
	d.stop()
	d.stop = nil
	return <-d.done
}

func (d *desk) close() {
	_ = d.end()
	for _, fd := range []int{d.held, d.paused} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
}

// up makes sure that the daemon runs.
func (d *desk) up() error {
	if d.stop != nil {
		d.queue.Resume()
		return nil
	}
	if err := d.listen(); err != nil {
		return err
	}
	d.serve()
	return nil
}

func (d *desk) replay(c queueCase) (difference, reason string, err error) {
	size, hasSize := sizeIn(c.Name)
	switch {
	case c.Name == "mode":
		return d.mode(c), "", nil
	case c.Name == "group-wazuh":
		return d.asMember(c)
	case c.Accepted > 0 && c.State == nil && c.Changes == nil:
		difference, err = d.fill(c)
	case c.Name == "during-start":
		difference, err = d.duringStart(c)
	case c.State != nil:
		difference, err = d.flood(c)
	case c.Name == "short":
		difference, err = d.short(c)
	case strings.HasPrefix(c.Name, "size-") && hasSize:
		difference, err = d.sized(c, size, 0)
	case strings.HasPrefix(c.Name, "small-sndbuf-") && hasSize:
		buffer, _ := sizeIn(c.About)
		difference, err = d.sized(c, size, buffer)
	case c.Connect != nil && c.Connect.Result == "EACCES":
		return d.asStranger(c)
	case c.Connect != nil || c.Send != nil || c.SendTo != nil:
		difference, err = d.calls(c)
	default:
		return "", "a case that this oracle does not know", nil
	}
	return difference, "", err
}

var number = regexp.MustCompile(`\d+`)

// sizeIn is the last number in a text.
func sizeIn(text string) (int, bool) {
	all := number.FindAllString(text, -1)
	if len(all) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(all[len(all)-1])
	return n, err == nil
}

func (d *desk) mode(c queueCase) string {
	var got []string
	for _, path := range []string{d.path, filepath.Dir(d.path)} {
		info, err := os.Stat(path)
		if err != nil {
			return err.Error()
		}
		got = append(got, fmt.Sprintf("0%o", info.Mode().Perm()))
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && isRoot() && path == d.path {
			got = append(got, groupName(fmt.Sprint(stat.Uid)))
		}
	}
	want := []string{c.Mode, c.Owner, c.DirMode}
	if !isRoot() {
		want = []string{c.Mode, c.DirMode} // the owner is whoever runs the oracle
	}
	return linesDiff("mode", want, got)
}

// open makes a datagram socket and connects it.
func open(path string, kind int) (fd int, err error) {
	if fd, err = syscall.Socket(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	// No call of a case may block for ever: after this time it fails with EAGAIN.
	limit := syscall.NsecToTimeval(sendLimit.Nanoseconds())
	if err = errors.Join(syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit)); err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	}
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

const sendLimit = 2 * time.Second

func send(fd int, data []byte) error { return syscall.Sendto(fd, data, syscall.MSG_NOSIGNAL, nil) }

// reach puts the daemon into the state that the case's name tells. It gives the connected socket that is to be used,
// -1 for a fresh one.
func (d *desk) reach(c queueCase, frame []byte) (fd int, err error) {
	switch {
	case c.Name == "continued":
		if d.paused < 0 {
			if _, err := d.pause(syscall.SOCK_NONBLOCK); err != nil {
				return -1, err
			}
		}
		d.queue.Resume()
		return d.paused, nil
	case c.Name == "down-connected":
		if d.held, err = open(d.path, syscall.SOCK_DGRAM); err != nil {
			return -1, fmt.Errorf("connect before the stop: %w", err)
		}
		return d.held, d.end()
	case strings.HasPrefix(c.Name, "down-"):
		return -1, d.end()
	case strings.HasPrefix(c.Name, "restarted-"):
		if err := d.hold(frame); err != nil {
			return -1, err
		}
		if strings.HasSuffix(c.Name, "-old-socket") {
			return d.held, d.up()
		}
		return -1, d.up()
	case c.Name == "file-missing":
		if err := d.end(); err != nil {
			return -1, err
		}
		if err := os.Remove(d.path); err != nil {
			return -1, fmt.Errorf("remove the socket: %w", err)
		}
		return -1, nil
	}
	return -1, d.up()
}

// calls is the plain case: connect and send, with the daemon in the state that the name tells.
func (d *desk) calls(c queueCase) (string, error) {
	frame := []byte("1:oracle:a line")
	var want, got []string
	expect := func(what string, r *callResult, err error) {
		if r != nil {
			want, got = append(want, what+" "+r.Result), append(got, what+" "+errnoName(err))
		}
	}
	fd, err := d.reach(c, frame)
	if err != nil {
		return "", err
	}
	if c.FileExists != nil {
		_, err := os.Stat(d.path)
		want, got = append(want, fmt.Sprint("file exists ", *c.FileExists)), append(got, fmt.Sprint("file exists ", err == nil))
	}
	if fd < 0 {
		kind := syscall.SOCK_DGRAM
		if c.Name == "stream-socket" {
			kind = syscall.SOCK_STREAM
		}
		fd, err = open(d.path, kind)
		expect("connect", c.Connect, err)
		if err == nil {
			defer syscall.Close(fd) //nolint:errcheck // a datagram socket
		}
	}
	if c.Send != nil {
		err := send(fd, frame)
		if c.Name == "continued" { // it takes a moment to go on
			waitFor(patience, func() bool { err = send(fd, frame); return err == nil })
		}
		expect("send", c.Send, err)
	}
	if c.SendAgain != nil {
		expect("send again", c.SendAgain, send(fd, frame))
	}
	if c.SendTo != nil {
		expect("sendto", c.SendTo, sendToPath(d.path, frame))
	}
	return linesDiff("call", want, got), nil
}

func sendToPath(path string, frame []byte) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd) //nolint:errcheck // a datagram socket
	return syscall.Sendto(fd, frame, 0, &syscall.SockaddrUnix{Name: path})
}

// asMember connects as another user of the group, asStranger as one outside of it.
func (d *desk) asMember(c queueCase) (difference, reason string, err error) {
	const search, write = 0o010, 0o020
	return d.asOther(c, search, write)
}

func (d *desk) asStranger(c queueCase) (difference, reason string, err error) {
	const search, write = 0o001, 0o002
	return d.asOther(c, search, write)
}

// asOther looks at what the kernel asks of somebody who connects: to search the folder, and to write to the socket.
func (d *desk) asOther(c queueCase, search, write os.FileMode) (difference, reason string, err error) {
	if !isRoot() {
		return "", "needs root, to become another user", nil
	}
	if err := d.up(); err != nil {
		return "", "", err
	}
	folder, err := os.Stat(filepath.Dir(d.path))
	if err != nil {
		return "", "", err
	}
	socket, err := os.Stat(d.path)
	if err != nil {
		return "", "", err
	}
	got := "EACCES"
	if folder.Mode()&search != 0 && socket.Mode()&write != 0 && groupOf(folder) == wazuhID && groupOf(socket) == wazuhID {
		got = "ok"
	}
	return linesDiff("connect", []string{c.Connect.Result}, []string{got}), "", nil
}

func groupOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Gid)
	}
	return -1
}

func (d *desk) sized(c queueCase, size, buffer int) (string, error) {
	if err := d.up(); err != nil {
		return "", err
	}
	fd, err := open(d.path, syscall.SOCK_DGRAM)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer syscall.Close(fd) //nolint:errcheck // a datagram socket
	if buffer > 0 {
		// The kernel doubles what it is asked for.
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, buffer/2); err != nil {
			return "", fmt.Errorf("set the send buffer: %w", err)
		}
	}
	frame := append([]byte("1:oracle:"), make([]byte, size)...)[:size]
	for i := len("1:oracle:"); i < size; i++ {
		frame[i] = 'x'
	}
	return linesDiff("send", []string{c.Send.Result}, []string{errnoName(send(fd, frame))}), nil
}

// short sends the frames that the case's text lists, each too short or just long enough.
func (d *desk) short(c queueCase) (string, error) {
	if err := d.up(); err != nil {
		return "", err
	}
	before := len(d.log.Lines())
	fd, err := open(d.path, syscall.SOCK_DGRAM)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer syscall.Close(fd) //nolint:errcheck // a datagram socket
	for _, frame := range strings.Split(c.About, " / ") {
		if err := send(fd, []byte(frame)); err != nil {
			return "", fmt.Errorf("send: %w", err)
		}
	}
	waitFor(patience, func() bool { return len(d.log.Lines()) >= before+len(c.Log) })
	return linesDiff("log line", c.Log, d.log.Lines()[before:]), nil
}
