package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/screen"
)

// maxOwnTokens bounds what is remembered of our own tokens; the oldest are forgotten first. AppRole makes one at each login.
const maxOwnTokens = 256

// ownTokens remembers how our own tokens show in audit records, over restarts. Vault tells it at a login only: a daemon
// that starts while Vault cannot be reached would take the lookups of its predecessor for a stranger's, and could seal
// because of itself. Accessors are no secrets.
type ownTokens struct {
	file string // empty: nothing is kept
	log  logrus.FieldLogger

	mu    sync.Mutex
	known ownFile
}

type ownFile struct {
	Accessors []string `json:"accessors"`
	EntityIDs []string `json:"entity_ids"`
}

// loadOwnTokens reads what earlier daemons left in dir. With readOnly it is never written.
func loadOwnTokens(dir string, readOnly bool, log logrus.FieldLogger) (*ownTokens, error) {
	path := filepath.Join(dir, "own-tokens.json")
	o := &ownTokens{log: log}
	if !readOnly {
		o.file = path
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), readOnly && errors.Is(err, fs.ErrPermission):
		return o, nil
	case err != nil:
		return nil, fmt.Errorf("read what is known of our own tokens: %w", err)
	}
	if err := json.Unmarshal(text, &o.known); err != nil {
		return nil, fmt.Errorf("%s: %w: remove the file while Vault can be reached", path, err)
	}
	return o, nil
}

// with returns self with what was known before, and keeps what is new.
func (o *ownTokens) with(self screen.Self) screen.Self {
	o.mu.Lock()
	defer o.mu.Unlock()
	accessors, newAccessor := added(o.known.Accessors, self.Accessors)
	entities, newEntity := added(o.known.EntityIDs, self.EntityIDs)
	if newAccessor || newEntity {
		o.known = ownFile{Accessors: accessors, EntityIDs: entities}
		if err := o.save(); err != nil {
			o.log.WithError(err).Error("lookup: our own tokens are not remembered over a restart")
		}
	}
	return screen.Self{Accessors: o.known.Accessors, EntityIDs: o.known.EntityIDs}
}

// added returns a list with the new items at its end, as a list of its own where there are any.
func added(list, items []string) (all []string, changed bool) {
	for _, item := range items {
		if !slices.Contains(list, item) {
			list, changed = append(slices.Clip(list), item), true
		}
	}
	return list[max(0, len(list)-maxOwnTokens):], changed
}

// save replaces the file in one step, so that a crash leaves the old one or the new one.
func (o *ownTokens) save() error {
	if o.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(o.known, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(o.file), ".own-tokens-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(text, '\n'))
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), o.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
