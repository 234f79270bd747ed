// Package identity is the answer to "who was it, and what may they do": the one type that the resolver fills, the
// rules decide on and the analysts read. It may import the standard library only, and must never touch the world:
// asking Vault is the work of package vaultlookup.
package identity

import (
	"encoding/json"
	"time"
)

// Version is that of the JSON form of Identity. Fields are only ever added; a changed meaning raises it. Version 1 had
// the token's ttl, explicit_max_ttl and period, in nanoseconds.
const Version = 2

// Rung says which step of the ladder the answer stands on. A lower number is better evidence.
type Rung int

// The ladder, best first.
const (
	RungNone     Rung = iota // not asked, or nothing to ask about
	RungAccessor             // the record's raw accessor, looked up in Vault
	RungHash                 // the record's hashed accessor, found in the audit-hash index and looked up
	RungEntity               // the record's entity id, read from Vault's identity store
	RungRecord               // the audit record's own words; nothing was confirmed by Vault
	RungNobody               // there is no token behind the record: unauthenticated, invalid token, failed login
)

var rungNames = [...]string{"none", "accessor", "hash", "entity", "record", "nobody"}

func (r Rung) String() string {
	if r < 0 || int(r) >= len(rungNames) {
		return "unknown"
	}
	return rungNames[r]
}

// MarshalText writes the rung's name, so that JSON shows a word and not a number.
func (r Rung) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rung's name; an unknown name is RungNone.
func (r *Rung) UnmarshalText(text []byte) error {
	*r = RungNone
	for i, name := range rungNames {
		if name == string(text) {
			*r = Rung(i)
		}
	}
	return nil
}

// Confidence says how far an Identity may be relied on.
type Confidence string

// The three grades of confidence.
const (
	Confirmed   Confidence = "confirmed"   // Vault itself answered for this token, just now or within the cache's time
	Recorded    Confidence = "recorded"    // only the audit record says so: Vault wrote it, nobody asked again
	Unconfirmed Confidence = "unconfirmed" // an answer was wanted and could not be had: see Identity.Why
)

// State says whether the token can still be used.
type State string

// The states of a token.
const (
	StateUnknown State = "unknown" // Vault was not asked, or could not answer
	StateLive    State = "live"    // Vault knows the accessor
	StateGone    State = "gone"    // Vault does not know it any more: revoked, expired or used up
)

// Reason says why the answer is not better than it is: a closed set, used alike in logs, metrics and events.
type Reason string

// The reasons, none of which is an error of the alert itself.
const (
	ReasonNone            Reason = ""
	ReasonHashed          Reason = "accessor is hashed"
	ReasonNoAccessor      Reason = "record has no accessor"
	ReasonGone            Reason = "token is gone"
	ReasonUnreachable     Reason = "vault unreachable"
	ReasonSealed          Reason = "vault sealed"
	ReasonTimeout         Reason = "lookup ran out of time"
	ReasonThrottled       Reason = "vault rate limit"
	ReasonNotPermitted    Reason = "own token lacks permission"
	ReasonOwnTokenInvalid Reason = "own token is invalid"
	ReasonBadAnswer       Reason = "vault's answer made no sense"
	ReasonOff             Reason = "no vault lookup configured"
	ReasonOwnToken        Reason = "the daemon's own token: not asked about" // each question would be the next record
	ReasonUnauthenticated Reason = "request carried no token"
	ReasonInvalidToken    Reason = "request carried an invalid token"
	ReasonFailedLogin     Reason = "login was refused"
	ReasonLogin           Reason = "login is under way" // the request's record: the response's will name the token
	ReasonNoRecord        Reason = "alert carries no audit record"
)

// Identity is what is known about the actor of one alert.
type Identity struct {
	V          int        `json:"v"`
	Rung       Rung       `json:"rung"`
	Confidence Confidence `json:"confidence"`
	Why        Reason     `json:"why,omitempty"`
	At         time.Time  `json:"at,omitzero"` // when Vault was asked; zero when it was not

	Accessor     string `json:"accessor,omitempty"`      // raw
	AccessorHash string `json:"accessor_hash,omitempty"` // as the audit device wrote it

	Token    Token    `json:"token"`
	Entity   *Entity  `json:"entity,omitempty"` // nil: the token has none (root and its kin), or it is not known
	Policies Policies `json:"policies"`
	Reach    *Reach   `json:"reach,omitempty"` // nil: not asked
}

// Token is what Vault, or the record, says of the token itself. DisplayName and Metadata of a child token were
// chosen by its maker: evidence of what somebody claimed, never of who they are.
type Token struct {
	Type           string            `json:"type,omitempty"` // service, batch, default
	DisplayName    string            `json:"display_name,omitempty"`
	Path           string            `json:"path,omitempty"` // how it came to be: auth/userpass/login/bob, auth/token/create
	Created        time.Time         `json:"created,omitzero"`
	Expires        time.Time         `json:"expires,omitzero"`
	TTL            time.Duration     `json:"-"` // what was left when Vault was asked; in JSON ttl_s, in seconds
	ExplicitMaxTTL time.Duration     `json:"-"` // explicit_max_ttl_s
	Period         time.Duration     `json:"-"` // period_s
	Orphan         bool              `json:"orphan,omitempty"`
	Renewable      bool              `json:"renewable,omitempty"`
	UsesLeft       int               `json:"uses_left,omitempty"` // 0: unlimited
	BoundCIDRs     []string          `json:"bound_cidrs,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	State          State             `json:"state"`
}

// plainToken is a Token without its methods, so that encoding/json goes by its fields.
type plainToken Token

// tokenJSON is a Token's JSON form: durations are whole seconds, as Vault has them.
type tokenJSON struct {
	plainToken
	TTL            int64 `json:"ttl_s,omitempty"`
	ExplicitMaxTTL int64 `json:"explicit_max_ttl_s,omitempty"`
	Period         int64 `json:"period_s,omitempty"`
}

// MarshalJSON writes durations as whole seconds.
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(tokenJSON{plainToken(t), seconds(t.TTL), seconds(t.ExplicitMaxTTL), seconds(t.Period)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Token) UnmarshalJSON(text []byte) error {
	var read tokenJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*t = Token(read.plainToken)
	t.TTL, t.ExplicitMaxTTL, t.Period = duration(read.TTL), duration(read.ExplicitMaxTTL), duration(read.Period)
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func duration(seconds int64) time.Duration { return time.Duration(seconds) * time.Second }

// Entity is the person or machine behind the token, as Vault's identity store knows it.
type Entity struct {
	ID              string            `json:"id"`
	Name            string            `json:"name,omitempty"` // entity_xxxxxxxx unless somebody renamed it
	Aliases         []Alias           `json:"aliases,omitempty"`
	DirectGroups    []Group           `json:"direct_groups,omitempty"`
	InheritedGroups []Group           `json:"inherited_groups,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	Disabled        bool              `json:"disabled,omitempty"`
	Gone            bool              `json:"gone,omitempty"` // deleted, or merged into another
	Confirmed       bool              `json:"confirmed"`      // false: only the record names it
}

// Alias is a login name on one auth mount: the name that people know.
type Alias struct {
	Name      string `json:"name"`
	Mount     string `json:"mount,omitempty"` // auth/userpass/
	MountType string `json:"mount_type,omitempty"`
}

// Group is an identity group.
type Group struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Policies tells apart where a policy comes from. All is the union, sorted, without doubles.
type Policies struct {
	Token    []string `json:"token,omitempty"`
	Identity []string `json:"identity,omitempty"`
	All      []string `json:"all,omitempty"`
}

// Has reports whether the policy name is among all of them.
func (p Policies) Has(name string) bool {
	for _, have := range p.All {
		if have == name {
			return true
		}
	}
	return false
}

// Reach is what Vault itself says the token may do on the configured sensitive places.
type Reach struct {
	Powers       []string            `json:"powers,omitempty"`       // at a glance: root-equivalent, can seal, reads all of secret/
	Capabilities map[string][]string `json:"capabilities,omitempty"` // path → capabilities, as Vault answered
}

// Name is what to call the actor in one or two words: the login name if there is one, else the best there is.
func (id Identity) Name() string {
	if id.Entity != nil {
		if len(id.Entity.Aliases) > 0 && id.Entity.Aliases[0].Name != "" {
			return id.Entity.Aliases[0].Name
		}
	}
	switch {
	case id.Token.DisplayName != "":
		return id.Token.DisplayName
	case id.Entity != nil && id.Entity.Name != "":
		return id.Entity.Name
	case id.Entity != nil && id.Entity.ID != "":
		return id.Entity.ID
	case id.Accessor != "":
		return id.Accessor
	case id.AccessorHash != "":
		return id.AccessorHash
	case id.Why != ReasonNone && id.Rung == RungNobody:
		return "nobody (" + string(id.Why) + ")"
	}
	return "unknown"
}

// MayImprove reports whether asking again later may give a better answer: Vault was away or throttled us, our own
// token was bad, or the accessor's hash was not indexed yet.
func (id Identity) MayImprove() bool {
	switch id.Why {
	case ReasonHashed, ReasonUnreachable, ReasonSealed, ReasonTimeout, ReasonThrottled, ReasonNotPermitted,
		ReasonOwnTokenInvalid, ReasonBadAnswer:
		return true
	}
	return false
}

// Better reports whether id stands on a better rung than other, or on the same with more behind it: upwards only.
func (id Identity) Better(other Identity) bool {
	if id.Rung == RungNone {
		return false
	}
	if other.Rung == RungNone || id.Rung != other.Rung {
		return other.Rung == RungNone || id.Rung < other.Rung
	}
	if id.Confidence != Confirmed {
		return false
	}
	return other.Confidence != Confirmed || other.MayImprove() && !id.MayImprove()
}

// Subject is the key under which acts of the same actor are counted: the entity, else the accessor (raw or
// hashed), else nothing.
func (id Identity) Subject() string {
	switch {
	case id.Entity != nil && id.Entity.ID != "":
		return "entity:" + id.Entity.ID
	case id.Accessor != "":
		return "accessor:" + id.Accessor
	case id.AccessorHash != "":
		return "accessor:" + id.AccessorHash
	}
	return ""
}
