package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/pipeline"
)

// alertTime bounds the handling of one alert in the foreground, a response included.
const alertTime = 2 * time.Minute

func newAlert(opts *options) *cobra.Command {
	var dryRun, asJSON bool
	command := &cobra.Command{
		Use:   "alert FILE",
		Short: "Take one alert through all stages, in the foreground",
		Long: `Take one alert, a line of alerts.json in a file, through the same stages as the daemon does. It is kept, published
and acted on as the configuration says; with --dry-run it is only shown, and Vault is asked who it was. Without
--dry-run the daemon must not be running, since it owns the store.
` + exitHelpAlert,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(opts)
			if err != nil {
				return err
			}
			line, err := readAlert(args[0])
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), alertTime)
			defer cancel()
			return runAlert(ctx, cfg, line, dryRun, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "keep, publish and send nothing")
	command.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return command
}

// readAlert reads a file of one alert. A FIFO or a device would hold the command up.
func readAlert(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open alert: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("look at alert %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("alert %s is not a regular file", path)
	case info.Size() > alert.MaxLine:
		return nil, fmt.Errorf("alert %s is larger than %d bytes", path, alert.MaxLine)
	}
	text, err := io.ReadAll(io.LimitReader(file, alert.MaxLine))
	if err != nil {
		return nil, fmt.Errorf("read alert %s: %w", path, err)
	}
	if _, err := alert.Parse(text); err != nil {
		return nil, fmt.Errorf("alert %s: %w", path, err)
	}
	return []byte(strings.TrimSuffix(string(text), "\n")), nil
}

func runAlert(ctx context.Context, cfg config.Config, line []byte, dryRun, asJSON bool, stdout, stderr io.Writer) error {
	log, closeLog := newLog(onlyToStderr(cfg), stderr)
	defer func() { _ = closeLog() }() // stderr alone: nothing to close
	app, err := newApp(ctx, cfg, log, dryRun)
	if err != nil {
		return err
	}
	result, err := app.once(ctx, pipeline.Line{Source: "command", Text: line}, dryRun)
	if dryRun {
		tellDaemon(cfg, app.screen.TakeFresh(), log)
	}
	if err = errors.Join(err, app.close()); err != nil {
		return failed(err)
	}
	if len(result.Decided) == 0 {
		_, err := fmt.Fprintln(stderr, "enrich: nothing to do: the alert was handled before, or is this integration's own")
		return failed(err)
	}
	return printDecided(stdout, result.Decided[0], asJSON)
}

// shown is the JSON form of a decided alert.
type shown struct {
	AlertID  string              `json:"alert_id"`
	Key      string              `json:"key"`
	Cluster  string              `json:"cluster,omitempty"`
	Identity identity.Identity   `json:"identity"`
	Decision escalation.Decision `json:"decision"`
	Event    json.RawMessage     `json:"event,omitempty"` // as it is published, where it is
}

func printDecided(w io.Writer, d pipeline.Decided, asJSON bool) error {
	if !asJSON {
		return failed(printSteps(w, d))
	}
	out := shown{AlertID: d.Alert.ID, Key: d.Alert.Key.String(), Cluster: d.Cluster, Identity: d.Identity, Decision: d.Decision}
	if d.Event != nil {
		body, err := d.Event.Encode()
		if err != nil {
			return failed(err)
		}
		out.Event = body
	}
	return failed(printJSON(w, out))
}

func printSteps(w io.Writer, d pipeline.Decided) error {
	var out strings.Builder
	say := func(name, text string) { fmt.Fprintf(&out, "%-12s %s\n", name, event.Visible(text)) }
	cluster := d.Cluster
	if cluster == "" {
		cluster = "none (its agent is in no configured cluster)"
	}
	say("alert", fmt.Sprintf("%s, rule %s, level %d: %s", d.Alert.ID, d.Alert.Rule.ID, d.Alert.Rule.Level, d.Alert.Rule.Description))
	say("agent", fmt.Sprintf("%s %s, cluster %s", d.Alert.Agent.ID, d.Alert.Agent.Name, cluster))
	for _, line := range identityLines(d.Identity) {
		if line[1] != "" && d.Alert.Record != nil {
			say(line[0], line[1])
		}
	}
	say("decision", fmt.Sprintf("%s (rules asked for %s, by rule %s)", d.Decision.Action, d.Decision.Wanted, d.Decision.Rule))
	for _, reason := range d.Decision.Reasons {
		say("  because", reason)
	}
	for _, held := range d.Decision.Held {
		say("  held by", held.Guard+": "+held.Reason)
	}
	if d.Event != nil {
		say("event", d.Event.Sentence)
	} else {
		say("event", "none: not notable enough for publish.what: notable")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
