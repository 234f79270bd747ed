package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// EnableKV2 mounts a kv engine of version 2 at mount, such as "secret", and returns when it takes
// writes: the engine prepares itself after the mount call has returned.
func (c *Client) EnableKV2(ctx context.Context, mount string) error {
	body := map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}
	if _, err := c.ask(ctx, http.MethodPost, "sys/mounts/"+mount, body, nil); err != nil {
		return err
	}
	return until(ctx, "the kv engine is ready", func() (bool, error) {
		answer, err := c.Do(ctx, http.MethodGet, mount+"/config", nil)
		return answer.Status == http.StatusOK, err
	})
}

// EnableLeasedKV mounts Vault's test engine whose reads give leases of the secret's "ttl".
func (c *Client) EnableLeasedKV(ctx context.Context, mount string) error {
	_, err := c.ask(ctx, http.MethodPost, "sys/mounts/"+mount, map[string]string{"type": "leased-kv"}, nil)
	return err
}

// WriteSecret writes a new version of a kv v2 secret.
func (c *Client) WriteSecret(ctx context.Context, mount, path string, values map[string]string) error {
	body := map[string]any{"data": values}
	_, err := c.ask(ctx, http.MethodPost, mount+"/data/"+path, body, nil)
	return err
}

// ReadSecret reads the newest version of a kv v2 secret, and gives Vault's id of the request: the audit
// record's request.id.
func (c *Client) ReadSecret(ctx context.Context, mount, path string) (values map[string]string, requestID string, err error) {
	var secret struct {
		Data map[string]string `json:"data"`
	}
	r, err := c.ask(ctx, http.MethodGet, mount+"/data/"+path, nil, &secret)
	return secret.Data, r.RequestID, err
}

// List lists the keys below a path, such as "secret/metadata/" or "auth/token/accessors/".
func (c *Client) List(ctx context.Context, path string) ([]string, error) {
	var list struct {
		Keys []string `json:"keys"`
	}
	_, err := c.ask(ctx, methodList, path, nil, &list)
	return list.Keys, err
}

// WritePolicy writes an ACL policy given as HCL.
func (c *Client) WritePolicy(ctx context.Context, name, hcl string) error {
	_, err := c.ask(ctx, http.MethodPut, "sys/policies/acl/"+url.PathEscape(name), map[string]string{"policy": hcl}, nil)
	return err
}

// Read reads any path and gives the answer's data.
func (c *Client) Read(ctx context.Context, path string) (json.RawMessage, error) {
	r, err := c.ask(ctx, http.MethodGet, path, nil, nil)
	return r.Data, err
}

// Write writes any path and gives the answer's data, if it has any.
func (c *Client) Write(ctx context.Context, path string, body any) (json.RawMessage, error) {
	r, err := c.ask(ctx, http.MethodPost, path, body, nil)
	return r.Data, err
}
