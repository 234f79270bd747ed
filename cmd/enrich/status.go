package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"custom-vault/internal/config"
	"custom-vault/internal/event"
	"custom-vault/internal/health"
	"custom-vault/internal/unixsocket"
)

// standing is how the running daemon stands. Its JSON form is a contract: fields are only ever added.
type standing struct {
	Healthy    bool             `json:"healthy"`
	Faults     []health.Fault   `json:"faults"`
	Version    string           `json:"version"`
	PID        int              `json:"pid"`
	Started    time.Time        `json:"started"`
	Config     string           `json:"config"`
	Seal       string           `json:"seal"` // armed, observe, off
	Halted     bool             `json:"halted"`
	Publish    string           `json:"publish"`
	Sources    []statusSource   `json:"sources"`
	Suspects   int              `json:"suspects_waiting"`
	Outbox     statusOutbox     `json:"outbox"`
	Responses  statusResponses  `json:"responses"`
	Clusters   []statusCluster  `json:"clusters"`
	StoreBytes int64            `json:"store_bytes"`
	StoreMost  int64            `json:"store_max_bytes"`
	Workers    map[string]int64 `json:"workers_ms"` // since each last showed that it goes on
}

type statusSource struct {
	Name   string `json:"name"`
	Unread int64  `json:"unread_bytes"`
}

type statusOutbox struct {
	Pending       int       `json:"pending"`
	OldestPending time.Time `json:"oldest_pending,omitzero"`
	Sent          int       `json:"sent"` // and not seen yet
	Faults        int       `json:"faults"`
}

type statusResponses struct {
	Waiting int `json:"waiting"`
	Running int `json:"running"`
}

type statusCluster struct {
	Name         string    `json:"name"`
	Nodes        int       `json:"nodes"`
	NodesAway    int       `json:"nodes_away"`               // left alone, since several calls in a row told nothing
	NodesSilent  int       `json:"nodes_silent"`             // the last call told nothing
	Silent       []string  `json:"silent_because,omitempty"` // sealed, timeout, tls …
	TokenValid   bool      `json:"token_valid"`
	TokenExpires time.Time `json:"token_expires,omitzero"` // zero: never, or not known
	Renewable    bool      `json:"token_renewable"`
}

// standing looks at the daemon now.
func (a *app) standing(ctx context.Context, configPath string) standing {
	f := a.watch.look(ctx, a.log)
	s := standing{
		Faults: a.watch.board.Faults(), Version: version, PID: os.Getpid(), Started: f.Started, Config: configPath,
		Seal: f.Responding.Seal, Halted: f.Responding.Halted, Publish: a.cfg.Publish.What, Suspects: f.Suspects,
		Outbox:    statusOutbox{Pending: f.Store.Pending, OldestPending: f.Store.OldestPending, Sent: f.Store.Sent, Faults: f.Store.Faults},
		Responses: statusResponses{Waiting: f.Store.Waiting, Running: f.Store.Running},
		Sources:   []statusSource{}, Clusters: []statusCluster{}, StoreBytes: f.Store.Bytes, StoreMost: f.StoreMost,
		Workers: make(map[string]int64),
	}
	s.Healthy = health.Healthy(s.Faults)
	for _, source := range f.Sources {
		s.Sources = append(s.Sources, statusSource{source.Name, source.Unread})
	}
	for _, cluster := range f.Clusters {
		s.Clusters = append(s.Clusters, statusCluster{
			Name: cluster.Name, Nodes: cluster.Nodes, NodesAway: cluster.Stats.Open,
			NodesSilent: len(cluster.Stats.Silent), Silent: cluster.Stats.SilentBecause(),
			TokenValid: cluster.Own.Valid, TokenExpires: cluster.Own.Expires, Renewable: cluster.Own.Renewable,
		})
	}
	for _, worker := range f.Workers {
		s.Workers[worker.Name] = f.At.Sub(worker.Last).Milliseconds()
	}
	return s
}

func newStatus(opts *options) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Ask the running daemon how it is",
		Long: `Ask the running daemon how it is, and what is wrong: since when, and what to do. Only root and the daemon's own user
are answered.

EXIT STATUS
  0 nothing is wrong, 1 something is, 2 usage or configuration, 5 the daemon is not running or does not answer,
  6 not permitted`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(opts)
			if err != nil {
				return err
			}
			return runStatus(cmd.Context(), cfg, asJSON, cmd.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return command
}

// statusTime bounds the question; the daemon may have to wait for a disk.
const statusTime = 10 * time.Second

func runStatus(ctx context.Context, cfg config.Config, asJSON bool, stdout io.Writer) error {
	if cfg.Control.Socket == "" {
		return &exitError{code: exitUsage, err: errors.New("control.socket is empty: the daemon cannot be asked")}
	}
	text, err := askStatus(ctx, cfg.Control.Socket)
	if err != nil {
		return err
	}
	var s standing
	if err := json.Unmarshal(text, &s); err != nil {
		return &exitError{code: exitUnreachable, err: fmt.Errorf("read the daemon's answer: %w", err)}
	}
	if asJSON {
		_, err = stdout.Write(text)
	} else {
		err = s.print(stdout, time.Now())
	}
	if err == nil && !s.Healthy {
		return &exitError{code: exitFailed}
	}
	return failed(err)
}

// maxAnswer is the longest answer that is read.
const maxAnswer = 1 << 20

func askStatus(ctx context.Context, socket string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/status", nil)
	if err != nil {
		return nil, failed(err)
	}
	answer, err := unixsocket.Client(socket, statusTime).Do(request)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return nil, &exitError{code: exitNotPermitted, err: fmt.Errorf("ask the daemon at %s: only root and its own user are answered: %w", socket, err)}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("enrich serve is not running, or could not listen at %s: %w", socket, err)}
	case err != nil:
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("ask the daemon: %w", err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("ask the daemon at %s: it says %s", socket, answer.Status)}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, &exitError{code: exitUnreachable, err: fmt.Errorf("read the daemon's answer: %w", err)}
	}
	return text, nil
}

// print tells people: what is wrong first.
func (s standing) print(w io.Writer, now time.Time) error {
	var out strings.Builder
	say := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-10s %s\n", name, event.Visible(fmt.Sprintf(format, args...)))
	}
	if s.Healthy {
		say("healthy", "nothing is wrong")
	}
	for _, f := range s.Faults {
		say(string(f.Severity), "%s (%s, for %s)", f.Text, f.Code, now.Sub(f.Since).Round(time.Second))
		say("", "→ %s", f.Do)
	}
	say("daemon", "%s, process %d, up %s, configuration %s", s.Version, s.PID, now.Sub(s.Started).Round(time.Second), s.Config)
	halted := ""
	if s.Halted {
		halted = ", halted"
	}
	say("sealing", "%s%s; %d responses wait, %d plans run", s.Seal, halted, s.Responses.Waiting, s.Responses.Running)
	for _, source := range s.Sources {
		say(source.Name, "%d bytes to read", source.Unread)
	}
	say("events", "publishing %s; %d to send, %d sent and not seen yet, %d given up", s.Publish, s.Outbox.Pending, s.Outbox.Sent, s.Outbox.Faults)
	for _, c := range s.Clusters {
		say("vault", "cluster %s: %s; our token is %s", c.Name, c.nodes(), c.token(now))
	}
	say("store", "%.1f of %d MiB", float64(s.StoreBytes)/(1<<20), s.StoreMost>>20)
	_, err := io.WriteString(w, out.String())
	return err
}

// nodes says what came of the last call to each node. One that nobody had to ask is in no trouble that we know of.
func (c statusCluster) nodes() string {
	said := fmt.Sprintf("%d of %d nodes in trouble when last asked", c.NodesSilent, c.Nodes)
	if len(c.Silent) > 0 {
		said += " (" + strings.Join(c.Silent, ", ") + ")"
	}
	return said
}

func (c statusCluster) token(now time.Time) string {
	switch {
	case !c.TokenValid:
		return "not valid"
	case c.TokenExpires.IsZero():
		return "valid, without an end that is known"
	case c.Renewable:
		return fmt.Sprintf("valid for %s, and renewed before", c.TokenExpires.Sub(now).Round(time.Second))
	}
	return fmt.Sprintf("valid for %s, and cannot be renewed", c.TokenExpires.Sub(now).Round(time.Second))
}
