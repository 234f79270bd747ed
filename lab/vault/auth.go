package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Token says what token to create.
type Token struct {
	// DisplayName shows in audit records as token-NAME.
	DisplayName string
	Policies    []string
	// Period is how long the token lives after each renewal; whole seconds.
	Period time.Duration
}

// Entity is who Vault knows behind the logins of one person or machine.
type Entity struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"` // entity_xxxxxxxx unless renamed
	Disabled bool     `json:"disabled"`
	Policies []string `json:"policies"`
	Aliases  []Alias  `json:"aliases"`
}

// Alias is an entity's name at one auth method: the login name.
type Alias struct {
	Name      string `json:"name"`
	MountPath string `json:"mount_path"`
	MountType string `json:"mount_type"`
}

// TokenInfo is what lookup-accessor and lookup-self tell of a token.
type TokenInfo struct {
	Accessor    string            `json:"accessor"`
	DisplayName string            `json:"display_name"`
	EntityID    string            `json:"entity_id"`
	Path        string            `json:"path"` // how it came to be, e.g. auth/userpass/login/bob
	Policies    []string          `json:"policies"`
	Meta        map[string]string `json:"meta"`
	TTL         int64             `json:"ttl"`    // seconds
	Period      int64             `json:"period"` // seconds; 0 for a token without one
	Orphan      bool              `json:"orphan"`
	Type        string            `json:"type"`
}

// WriteTokenFile writes the token and a newline to file, readable by its owner only (mode 0400). The file
// must not exist: a token is never left in a file that somebody else made.
func (a Auth) WriteTokenFile(file string) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(a.ClientToken + "\n"); err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	return nil
}

// EnableUserpass mounts the auth method userpass at userpass/.
func (c *Client) EnableUserpass(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodPost, "sys/auth/userpass", map[string]string{"type": "userpass"}, nil)
	return err
}

// CreateUser makes a userpass user whose tokens get these policies.
func (c *Client) CreateUser(ctx context.Context, name, password string, policies ...string) error {
	body := map[string]any{"password": password, "token_policies": policies}
	_, err := c.ask(ctx, http.MethodPost, "auth/userpass/users/"+url.PathEscape(name), body, nil)
	return err
}

// Login logs in with userpass. The client's own token is not sent.
func (c *Client) Login(ctx context.Context, name, password string) (Auth, error) {
	path := "auth/userpass/login/" + url.PathEscape(name)
	return authOf(c.WithToken("").ask(ctx, http.MethodPost, path, map[string]string{"password": password}, nil))
}

// CreateOrphanPeriodicToken makes a token for a machine: it survives its maker, lives as long as it is
// renewed within its period, and lacks the policy "default".
func (c *Client) CreateOrphanPeriodicToken(ctx context.Context, t Token) (Auth, error) {
	body := map[string]any{
		"policies":          t.Policies,
		"period":            t.Period.String(),
		"no_default_policy": true,
		"display_name":      t.DisplayName,
	}
	return authOf(c.ask(ctx, http.MethodPost, "auth/token/create-orphan", body, nil))
}

// LookupAccessor tells of the token behind an accessor. An unknown one, or a hash, is a 400.
func (c *Client) LookupAccessor(ctx context.Context, accessor string) (TokenInfo, error) {
	var info TokenInfo
	_, err := c.ask(ctx, http.MethodPost, "auth/token/lookup-accessor", map[string]string{"accessor": accessor}, &info)
	return info, err
}

// LookupSelf tells of the client's own token.
func (c *Client) LookupSelf(ctx context.Context) (TokenInfo, error) {
	var info TokenInfo
	_, err := c.ask(ctx, http.MethodGet, "auth/token/lookup-self", nil, &info)
	return info, err
}

// RevokeAccessor revokes the token behind an accessor.
func (c *Client) RevokeAccessor(ctx context.Context, accessor string) error {
	_, err := c.ask(ctx, http.MethodPost, "auth/token/revoke-accessor", map[string]string{"accessor": accessor}, nil)
	return err
}

// Entity reads an entity by its id.
func (c *Client) Entity(ctx context.Context, id string) (Entity, error) {
	var entity Entity
	_, err := c.ask(ctx, http.MethodGet, "identity/entity/id/"+url.PathEscape(id), nil, &entity)
	return entity, err
}

// CreateEntity makes an entity of that name with a userpass alias, so that the user's logins are its.
// Without it the first login makes one with a name such as entity_1a2b3c4d.
func (c *Client) CreateEntity(ctx context.Context, name, userpassName string) (id string, err error) {
	accessor, err := c.authMountAccessor(ctx, "userpass/")
	if err != nil {
		return "", err
	}
	var entity Entity
	if _, err := c.ask(ctx, http.MethodPost, "identity/entity", map[string]string{"name": name}, &entity); err != nil {
		return "", err
	}
	alias := map[string]string{"name": userpassName, "canonical_id": entity.ID, "mount_accessor": accessor}
	_, err = c.ask(ctx, http.MethodPost, "identity/entity-alias", alias, nil)
	return entity.ID, err
}

// DisableEntity makes every token of the entity, and every new login, answer 403.
func (c *Client) DisableEntity(ctx context.Context, id string) error {
	_, err := c.ask(ctx, http.MethodPost, "identity/entity/id/"+url.PathEscape(id), map[string]bool{"disabled": true}, nil)
	return err
}

func (c *Client) authMountAccessor(ctx context.Context, mount string) (string, error) {
	var mounts map[string]struct {
		Accessor string `json:"accessor"`
	}
	if _, err := c.ask(ctx, http.MethodGet, "sys/auth", nil, &mounts); err != nil {
		return "", err
	}
	m, ok := mounts[mount]
	if !ok {
		return "", errors.New("no auth method is mounted at " + mount)
	}
	return m.Accessor, nil
}

func authOf(r response, err error) (Auth, error) {
	if err != nil {
		return Auth{}, err
	}
	if r.Auth == nil {
		return Auth{}, errors.New("vault answered a request for a token without one")
	}
	return *r.Auth, nil
}
