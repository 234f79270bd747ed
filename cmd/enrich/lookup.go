package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"custom-vault/internal/config"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/ownids"
	"custom-vault/internal/vaultlookup"
)

// lookupTime is how long a person waits for an answer.
const lookupTime = 10 * time.Second

func newLookup(opts *options) *cobra.Command {
	var asJSON bool
	var cluster string
	command := &cobra.Command{
		Use:   "lookup ACCESSOR|HASH|ENTITY",
		Short: "Ask Vault who an accessor, a hashed accessor or an entity id belongs to, and what they may do",
		Long:  "Ask Vault who an accessor, a hashed accessor or an entity id belongs to, and what they may do.\n" + exitHelpLookup,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(opts)
			if err != nil {
				return err
			}
			return runLookup(cmd.Context(), cfg, cluster, args[0], asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print the identity as JSON")
	command.Flags().StringVar(&cluster, "cluster", "", "name of the cluster; needed where several are configured")
	return command
}

func runLookup(ctx context.Context, cfg config.Config, name, key string, asJSON bool, stdout, stderr io.Writer) error {
	cluster, err := chooseCluster(cfg, name)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	log, closeLog := newLog(onlyToStderr(cfg), stderr)
	notes := new(ownids.Notes)
	resolver, err := newResolver(cfg, cluster, notes, log)
	if err != nil {
		return &exitError{code: exitUsage, err: errors.Join(err, closeLog())}
	}
	defer func() {
		resolver.Close()
		tellDaemon(cfg, notes.IDs(), log)
	}()
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	if err := resolver.Login(ctx); err != nil {
		return &exitError{code: codeOf(err), err: at(cluster, err)}
	}
	who, lookupErr := resolver.Lookup(ctx, key)
	if lookupErr != nil && who.Rung == identity.RungNone {
		return &exitError{code: codeOf(lookupErr), err: at(cluster, lookupErr)}
	}
	if err := printIdentity(stdout, who, asJSON); err != nil {
		return failed(err)
	}
	if lookupErr != nil {
		return &exitError{code: codeOf(lookupErr), err: at(cluster, lookupErr)}
	}
	return nil
}

// tellDaemon leaves the ids of our requests for the daemon, which has the same token and would see an intruder.
func tellDaemon(cfg config.Config, ids []string, log logrus.FieldLogger) {
	if err := ownids.Leave(cfg.Store.Dir, ids); err != nil {
		log.WithError(err).Warn("a running daemon will take this command's requests for an intruder's with its token")
	}
}

func chooseCluster(cfg config.Config, name string) (config.Cluster, error) {
	var names []string
	for _, cluster := range cfg.Clusters {
		if cluster.Name == name || name == "" && len(cfg.Clusters) == 1 {
			if !asks(cluster) {
				return config.Cluster{}, fmt.Errorf("cluster %s has neither token_file nor approle, so Vault cannot be asked", cluster.Name)
			}
			return cluster, nil
		}
		names = append(names, cluster.Name)
	}
	switch {
	case len(names) == 0:
		return config.Cluster{}, errors.New("no clusters are configured, so there is no Vault to ask")
	case name == "":
		return config.Cluster{}, fmt.Errorf("say which cluster with --cluster: %s", strings.Join(names, ", "))
	}
	return config.Cluster{}, fmt.Errorf("no cluster is called %q: there are %s", name, strings.Join(names, ", "))
}

func onlyToStderr(cfg config.Config) config.Config {
	cfg.Log.File, cfg.Log.Level, cfg.Log.Format = "", "warning", "text"
	return cfg
}

// at says which Vault an error is about.
func at(cluster config.Cluster, err error) error {
	addresses := make([]string, len(cluster.Nodes))
	for i, node := range cluster.Nodes {
		addresses[i] = node.Address
	}
	return fmt.Errorf("cluster %s at %s: %w", cluster.Name, strings.Join(addresses, ", "), err)
}

// codeOf is the exit code of a lookup that failed.
func codeOf(err error) int {
	switch {
	case errors.Is(err, vaultlookup.ErrGone):
		return exitDead
	case errors.Is(err, vaultlookup.ErrUnknown):
		return exitUnknown
	case errors.Is(err, vaultlookup.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, vaultlookup.ErrNotPermitted):
		return exitNotPermitted
	}
	return exitFailed
}

func printIdentity(w io.Writer, who identity.Identity, asJSON bool) error {
	if asJSON {
		return printJSON(w, who)
	}
	var out strings.Builder
	for _, line := range identityLines(who) {
		if line[1] != "" {
			fmt.Fprintf(&out, "%-12s %s\n", line[0], event.Visible(line[1]))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// identityLines tells an identity to a person, what they may do first.
func identityLines(who identity.Identity) [][2]string {
	lines := [][2]string{
		{"powers", powerWords(who)},
		{"who", who.Name()},
		{"policies", strings.Join(who.Policies.All, ", ")},
		{"  token's", strings.Join(who.Policies.Token, ", ")},
		{"  identity's", strings.Join(who.Policies.Identity, ", ")},
		{"token", tokenWords(who.Token)},
		{"  life", lifeWords(who.Token)},
		{"  bound to", strings.Join(who.Token.BoundCIDRs, ", ")},
		{"  metadata", pairWords(who.Token.Metadata)},
		{"accessor", who.Accessor},
		{"hashed", who.AccessorHash},
	}
	if n := who.Entity; n != nil {
		lines = append(lines, [2]string{"entity", strings.TrimSpace(n.ID+" "+n.Name) + disabledWord(n)})
		for _, alias := range n.Aliases {
			lines = append(lines, [2]string{"  alias", fmt.Sprintf("%s at %s (%s)", alias.Name, alias.Mount, alias.MountType)})
		}
		for _, group := range n.DirectGroups {
			lines = append(lines, [2]string{"  group", strings.TrimSpace(group.Name + " " + group.ID)})
		}
		for _, group := range n.InheritedGroups {
			lines = append(lines, [2]string{"  inherited", strings.TrimSpace(group.Name + " " + group.ID)})
		}
		lines = append(lines, [2]string{"  metadata", pairWords(n.Metadata)})
	}
	sure := fmt.Sprintf("%s, by %s", who.Confidence, who.Rung)
	if who.Why != "" {
		sure += ": " + string(who.Why)
	}
	if !who.At.IsZero() {
		sure += ", vault was asked at " + who.At.UTC().Format(time.RFC3339)
	}
	return append(lines, [2]string{"how sure", sure})
}

func powerWords(who identity.Identity) string {
	switch {
	case who.Reach == nil:
		return "not known"
	case len(who.Reach.Powers) == 0:
		return "none of those that were asked about"
	}
	return strings.Join(who.Reach.Powers, ", ")
}

func disabledWord(n *identity.Entity) string {
	switch {
	case n.Gone:
		return " (deleted or merged)"
	case n.Disabled:
		return " (DISABLED)"
	}
	return ""
}

func tokenWords(t identity.Token) string {
	words := []string{string(t.State)}
	for _, word := range []string{t.Type, t.DisplayName, t.Path} {
		if word != "" {
			words = append(words, word)
		}
	}
	if t.Orphan {
		words = append(words, "orphan")
	}
	return strings.Join(words, ", ")
}

// lifeWords says how long a token lives, and what ends it sooner.
func lifeWords(t identity.Token) string {
	var words []string
	for _, when := range []struct {
		word string
		at   time.Time
	}{{"created", t.Created}, {"expires", t.Expires}} {
		if !when.at.IsZero() {
			words = append(words, when.word+" "+when.at.UTC().Format(time.RFC3339))
		}
	}
	for _, long := range []struct {
		word string
		d    time.Duration
	}{{"ttl", t.TTL}, {"explicit max ttl", t.ExplicitMaxTTL}, {"period", t.Period}} {
		if long.d > 0 {
			words = append(words, long.word+" "+long.d.String())
		}
	}
	if t.Renewable {
		words = append(words, "renewable")
	}
	if t.UsesLeft > 0 {
		words = append(words, fmt.Sprintf("%d uses left", t.UsesLeft))
	}
	return strings.Join(words, ", ")
}

// pairWords shows what a token's maker chose; quoted, so that a value cannot look like the next pair.
func pairWords(pairs map[string]string) string {
	words := make([]string, 0, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		words = append(words, strconv.Quote(key)+"="+strconv.Quote(pairs[key]))
	}
	return strings.Join(words, ", ")
}
