package vaultlookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxIndexFile bounds the index's file, in bytes: 150,000 accessors on two devices take 32 MB.
const maxIndexFile = 64 << 20

// indexFile is the index at rest. Accessors are no secret by themselves, but whoever may use them needs nothing else
// to revoke a token: mode 0600.
type indexFile struct {
	V       int                        `json:"v"`
	Devices map[string]indexFileDevice `json:"devices"`
}

type indexFileDevice struct {
	Canary string            `json:"canary"`
	Hashes map[string]string `json:"hashes"` // accessor → hash
}

// load reads the index of an earlier life. One that is missing or broken is no error: it is made anew.
func (x *index) load() error {
	if x.file == "" {
		return nil
	}
	info, err := os.Lstat(x.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("index of hashed accessors: %w", err)
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("index of hashed accessors %s: not a regular file of mode 0600: remove it, it will be made anew", x.file)
	case info.Size() > maxIndexFile:
		return fmt.Errorf("index of hashed accessors %s is larger than %d bytes: remove it, it will be made anew", x.file, maxIndexFile)
	}
	content, err := os.ReadFile(x.file)
	if err != nil {
		return fmt.Errorf("index of hashed accessors: %w", err)
	}
	var at indexFile
	if err := json.Unmarshal(content, &at); err != nil || at.V != 1 {
		x.log(Note{Problem: true, Text: fmt.Sprintf("index of hashed accessors %s is not readable: it is made anew", x.file)})
		return nil
	}
	for _, device := range x.devices {
		x.canaries[device] = at.Devices[device].Canary
		for accessor, hash := range at.Devices[device].Hashes {
			x.known[device][accessor] = hash
			x.byHash[hash] = accessor
		}
	}
	return nil
}

// save writes the index so that a crash leaves the old or the new one.
func (x *index) save() {
	if x.file == "" {
		return
	}
	x.mu.Lock()
	at := indexFile{V: 1, Devices: make(map[string]indexFileDevice)}
	for _, device := range x.devices {
		at.Devices[device] = indexFileDevice{Canary: x.canaries[device], Hashes: x.known[device]}
	}
	content, err := json.Marshal(at)
	x.mu.Unlock()
	if err == nil {
		err = replace(x.file, content)
	}
	if err != nil {
		x.log(Note{Problem: true, Text: "index of hashed accessors is not saved: " + err.Error()})
	}
}

func replace(path string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".index-*") // 0600 by CreateTemp
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
