package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultfake"
	"custom-vault/internal/vaultlookup"
)

const (
	ownToken    = "hvs.oracle"
	ownAccessor = "OracleAccessor"
	statusOK    = 200
	maxLine     = 4 << 20
)

// truth is the form of NAME.truth.json.
type truth struct {
	Files map[string]struct {
		Device string            `json:"device"`
		Hashes map[string]string `json:"accessor_hashes"` // accessor → hash on that device
	} `json:"files"`
	Actors   map[string]actor `json:"actors"`
	Requests []struct {
		ID     string `json:"id"`
		Who    string `json:"who"`
		Status int    `json:"http_status"`
	} `json:"requests"`
}

type actor struct {
	Accessor    string  `json:"accessor"`
	DisplayName *string `json:"display_name"` // nil: not told

	Policies         []string `json:"policies"`
	TokenPolicies    []string `json:"token_policies"`
	IdentityPolicies []string `json:"identity_policies"`
	EntityID         *string  `json:"entity_id"` // nil: not told

	EntityName string   `json:"entity_name"`
	Aliases    []string `json:"aliases"` // auth/userpass/bob
	Kind       string   `json:"kind"`
}

type score struct {
	agreed, asked int
	recorded      int // of those agreed: Vault's answers tell nothing there, since nobody acted, or a batch token without entity
	differences   []string
}

// judge takes all logs of one recording through a resolver each, and compares.
func judge(ctx context.Context, path string, shuffle bool) (score, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return score{}, err
	}
	var known truth
	if err := json.Unmarshal(content, &known); err != nil {
		return score{}, fmt.Errorf("%s: %w", path, err)
	}
	logs, err := filepath.Glob(strings.TrimSuffix(path, ".truth.json") + ".*.log")
	if err != nil {
		return score{}, err
	}
	var sum score
	for _, log := range logs {
		found, err := judgeLog(ctx, log, known, shuffle)
		if err != nil {
			return score{}, fmt.Errorf("%s: %w", log, err)
		}
		sum.agreed += found.agreed
		sum.asked += found.asked
		sum.recorded += found.recorded
		sum.differences = append(sum.differences, found.differences...)
	}
	return sum, nil
}

func judgeLog(ctx context.Context, path string, known truth, shuffle bool) (found score, err error) {
	file, err := os.Open(path)
	if err != nil {
		return score{}, err
	}
	defer func() { _ = file.Close() }() // only read
	fake, resolver, err := stage(filepath.Base(path), known, shuffle)
	if err != nil {
		return score{}, err
	}
	defer fake.Close()
	defer resolver.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		a, err := alertOf(lines.Text())
		if err != nil {
			found.asked++
			found.differences = append(found.differences, fmt.Sprintf("%s: a line is no alert: %v", filepath.Base(path), err))
			continue
		}
		if a.Record == nil {
			continue
		}
		expected, ok := known.expect(a.Record)
		if !ok {
			continue // not a request of the recording's
		}
		found.asked++
		id := ask(ctx, resolver, a)
		if difference := compare(expected, id); difference != "" {
			found.differences = append(found.differences, fmt.Sprintf("%s: %s %s (%s): %s", filepath.Base(path), a.Record.Type, a.Record.Path, a.Record.RequestID, difference))
			continue
		}
		found.agreed++
		if expected.actor == nil || expected.actor.Accessor+expected.actor.entityID() == "" {
			found.recorded++
		}
	}
	return found, lines.Err()
}

// ask has hashed accessors sought, as the daemon's index does in the background.
func ask(ctx context.Context, resolver *vaultlookup.Resolver, a *alert.Alert) identity.Identity {
	id := resolver.Resolve(ctx, a)
	if id.AccessorHash != "" && id.Accessor == "" {
		if _, err := resolver.Lookup(ctx, id.AccessorHash); err == nil {
			return resolver.Resolve(ctx, a)
		}
	}
	return id
}

// alertOf makes of an audit line the alert that analysisd makes of it.
func alertOf(line string) (*alert.Alert, error) {
	content, err := json.Marshal(map[string]any{
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000-0700"), "id": "1.1", "rule": map[string]any{"id": "100601", "level": 3, "groups": []string{"vault"}},
		"agent": map[string]any{"id": "001"}, "decoder": map[string]any{"name": "vault-audit"}, "full_log": line, "data": map[string]any{"type": "?"},
	})
	if err != nil {
		return nil, err
	}
	return alert.Parse(bytes.TrimSpace(content))
}

// stage starts a fake Vault that knows the recording's tokens, and a resolver that asks it.
func stage(log string, known truth, shuffle bool) (*vaultfake.Server, *vaultlookup.Resolver, error) {
	fake, err := vaultfake.Start(vaultfake.Good, ownToken, ownAccessor)
	if err != nil {
		return nil, nil, err
	}
	tell(fake, known, shuffle)
	fake.Recorded("recorded", known.Files[log].Hashes)
	client, err := vaultclient.New(vaultclient.Config{Address: fake.URL, CAPEM: fake.CAPEM, Token: secret.New([]byte(ownToken))})
	if err == nil {
		var resolver *vaultlookup.Resolver
		resolver, err = vaultlookup.New(vaultlookup.Options{
			Vaults: []*vaultclient.Client{client}, Deadline: 10 * time.Second, HashedDevices: []string{"recorded"},
			Index: &vaultlookup.IndexOptions{PerSecond: 1e6, Every: time.Millisecond},
		})
		if err == nil {
			return fake, resolver, nil
		}
	}
	fake.Close()
	return nil, nil, err
}

// tell makes the fake know the actors. Shuffled, it answers about each with what the next one is.
func tell(fake *vaultfake.Server, known truth, shuffle bool) {
	names := make([]string, 0, len(known.Actors))
	for name := range known.Actors {
		names = append(names, name)
	}
	slices.Sort(names)
	actors := make([]actor, 0, len(names)+1)
	for _, name := range names {
		actors = append(actors, known.Actors[name])
	}
	decoy := "decoy"
	actors = append(actors, actor{DisplayName: &decoy, Policies: []string{decoy}, EntityID: &decoy, EntityName: decoy, Aliases: []string{"auth/userpass/decoy"}})
	for i, of := range actors {
		is := of
		if shuffle {
			is = nextOther(actors, i)
		}
		if of.Accessor != "" {
			fake.Token(of.Accessor, map[string]any{
				"display_name": is.displayName(), "policies": is.ofToken(), "identity_policies": is.IdentityPolicies, "entity_id": is.entityID(),
			})
		}
		if of.entityID() == "" {
			continue
		}
		var aliases []map[string]any
		for _, alias := range is.Aliases {
			at := strings.LastIndexByte(alias, '/') + 1
			aliases = append(aliases, map[string]any{"name": alias[at:], "mount_path": alias[:at], "mount_type": "userpass"})
		}
		fake.Entity(of.entityID(), map[string]any{"name": is.EntityName, "aliases": aliases, "disabled": false})
	}
}

// nextOther gives the next actor of whom Vault's answer is another: a second login of the same user is not.
func nextOther(actors []actor, at int) actor {
	for i := 1; i < len(actors); i++ {
		next := actors[(at+i)%len(actors)]
		if next.displayName() != actors[at].displayName() || next.entityID() != actors[at].entityID() || !slices.Equal(next.all(), actors[at].all()) {
			return next
		}
	}
	return actors[at]
}

func (a actor) displayName() string { return told(a.DisplayName) }

func (a actor) entityID() string { return told(a.EntityID) }

func told(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func (a actor) ofToken() []string {
	switch {
	case strings.Contains(a.Kind, "wrapping"):
		return []string{"response-wrapping"}
	case len(a.TokenPolicies) > 0:
		return a.TokenPolicies
	}
	return a.Policies
}
