package vault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// ArticlePrefix is what stands before each audit record where Wazuh's collector is to know the line.
const ArticlePrefix = "[vault audit] "

// maxAuditLine bounds a record: a list of 100,000 accessors that is not elided makes one of about 8 MB.
const maxAuditLine = 16 << 20

// FileAudit is a file audit device.
type FileAudit struct {
	// File is where the records go. A relative path is below the server's folder.
	File string
	// RawAccessors leaves accessors in clear (hmac_accessor=false); Vault's default is to hash them.
	RawAccessors bool
	// Prefix stands before each record.
	Prefix string
	// ElideListResponses logs how many keys a list had, and not the keys.
	ElideListResponses bool
	// Mode is the file's mode in octal; empty is Vault's 0600.
	Mode string
}

// EnableFileAudit enables a file audit device at path, such as "file".
func (c *Client) EnableFileAudit(ctx context.Context, path string, d FileAudit) error {
	options := map[string]string{
		"file_path":            d.File,
		"hmac_accessor":        strconv.FormatBool(!d.RawAccessors),
		"elide_list_responses": strconv.FormatBool(d.ElideListResponses),
	}
	if d.Prefix != "" {
		options["prefix"] = d.Prefix
	}
	if d.Mode != "" {
		options["mode"] = d.Mode
	}
	_, err := c.ask(ctx, http.MethodPut, "sys/audit/"+path, map[string]any{"type": "file", "options": options}, nil)
	return err
}

// DisableAudit disables a device. Its salt is gone with it, and so is the meaning of its hashes.
func (c *Client) DisableAudit(ctx context.Context, path string) error {
	_, err := c.ask(ctx, http.MethodDelete, "sys/audit/"+path, nil, nil)
	return err
}

// AuditHash is input as the device at path logs it.
func (c *Client) AuditHash(ctx context.Context, path, input string) (string, error) {
	var hashed struct {
		Hash string `json:"hash"`
	}
	_, err := c.ask(ctx, http.MethodPost, "sys/audit-hash/"+path, map[string]string{"input": input}, &hashed)
	return hashed.Hash, err
}

// AuditRecord is what the lab reads of an audit record; Line is all of it, as it stands in the file.
type AuditRecord struct {
	Time  time.Time `json:"time"`
	Type  string    `json:"type"` // request or response
	Error string    `json:"error"`
	Auth  struct {
		Accessor    string   `json:"accessor"`
		DisplayName string   `json:"display_name"`
		EntityID    string   `json:"entity_id"`
		Policies    []string `json:"policies"`
	} `json:"auth"`
	Request struct {
		ID            string `json:"id"`
		Operation     string `json:"operation"`
		Path          string `json:"path"`
		RemoteAddress string `json:"remote_address"`
		TokenAccessor string `json:"client_token_accessor"`
	} `json:"request"`

	Line []byte `json:"-"`
}

// ReadAudit reads all records of an audit file, prefixed or not. Vault writes a request's records before
// it answers, so after an answer they are there.
func ReadAudit(file string) (_ []AuditRecord, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read audit file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	records, err := decodeAudit(f)
	if err != nil {
		return nil, fmt.Errorf("read audit file %s: %w", file, err)
	}
	return records, nil
}

func decodeAudit(r io.Reader) ([]AuditRecord, error) {
	var records []AuditRecord
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAuditLine)
	for lines.Scan() {
		line := bytes.Clone(lines.Bytes())
		record := AuditRecord{Line: line}
		start := bytes.IndexByte(line, '{')
		if start < 0 {
			return nil, fmt.Errorf("line %d is no record", len(records)+1)
		}
		if err := json.Unmarshal(line[start:], &record); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(records)+1, err)
		}
		records = append(records, record)
	}
	return records, lines.Err()
}

// ReopenAuditFiles does what logrotate does after it has renamed file: it sends SIGHUP and returns when
// Vault has made file anew. Vault writes on into the renamed one until then.
func (s *Server) ReopenAuditFiles(ctx context.Context, file string) error {
	if err := s.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return until(ctx, "Vault has made "+file+" anew", func() (bool, error) {
		_, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
}
