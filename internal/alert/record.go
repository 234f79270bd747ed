package alert

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Record is what an audit record of Vault says (vault: audit/types.go).
type Record struct {
	Type  string    // request or response; empty when a flooded record lost it
	Time  time.Time // Vault's clock
	Error string    // Vault's own words; some failures have only Response.Failed

	RequestID           string // the same in the request's and the response's record
	Operation           string
	Path                string
	MountType           string
	MountPoint          string
	MountClass          string
	Namespace           string
	RemoteAddress       string
	UserAgent           string
	ClientID            string
	ClientToken         string // hashed
	ClientTokenAccessor string
	WrapTTL             int64 // seconds

	HasAuth  bool
	Auth     Auth
	Response Response
}

// Auth is the token under which the request ran; in a login's response the token that was issued.
type Auth struct {
	Accessor         string
	DisplayName      string
	EntityID         string
	EntityCreated    bool
	Metadata         map[string]string
	Policies         []string
	TokenPolicies    []string
	IdentityPolicies []string
	TokenType        string
	TokenTTL         time.Duration
	IssueTime        time.Time
	RemainingUses    int
	Judged           bool // policy_results is there
	Allowed          bool
	GrantingPolicies []string
}

// Response is what of the answer matters: failures, and tokens that it hands out.
type Response struct {
	Failed           bool // data.error or data.errors is there; the text is hashed
	AuthAccessor     string
	AuthPolicies     []string
	AuthEntityID     string
	AuthDisplayName  string
	WrapAccessor     string // the wrapping token's
	WrappedAccessor  string // that of the token inside
	WrapCreationPath string
}

// HashPrefix is how an audit device marks a hashed value.
const HashPrefix = "hmac-sha256:"

// Hashed reports whether a value was hashed by the audit device.
func Hashed(value string) bool { return strings.HasPrefix(value, HashPrefix) }

func newRecord(doc gjson.Result) *Record {
	request, auth, response := doc.Get("request"), doc.Get("auth"), doc.Get("response")
	r := &Record{
		Type:                text(doc.Get("type"), maxName),
		Time:                stamp(doc.Get("time")),
		Error:               text(doc.Get("error"), maxText),
		RequestID:           text(request.Get("id"), maxName),
		Operation:           text(request.Get("operation"), maxName),
		Path:                text(request.Get("path"), maxPath),
		MountType:           text(request.Get("mount_type"), maxName),
		MountPoint:          text(request.Get("mount_point"), maxPath),
		MountClass:          text(request.Get("mount_class"), maxName),
		Namespace:           text(request.Get("namespace.path"), maxPath),
		RemoteAddress:       text(request.Get("remote_address"), maxName),
		UserAgent:           strings.Join(list(request.Get("headers.user-agent")), ", "),
		ClientID:            text(request.Get("client_id"), maxName),
		ClientToken:         text(request.Get("client_token"), maxName),
		ClientTokenAccessor: text(request.Get("client_token_accessor"), maxName),
		WrapTTL:             request.Get("wrap_ttl").Int(),
		HasAuth:             auth.IsObject(),
		Auth:                newAuth(auth),
	}
	r.Response = Response{
		Failed:           response.Get("data.error").Exists() || response.Get("data.errors").Exists(),
		AuthAccessor:     text(response.Get("auth.accessor"), maxName),
		AuthPolicies:     list(response.Get("auth.policies")),
		AuthEntityID:     text(response.Get("auth.entity_id"), maxName),
		AuthDisplayName:  text(response.Get("auth.display_name"), maxName),
		WrapAccessor:     text(response.Get("wrap_info.accessor"), maxName),
		WrappedAccessor:  text(response.Get("wrap_info.wrapped_accessor"), maxName),
		WrapCreationPath: text(response.Get("wrap_info.creation_path"), maxPath),
	}
	return r
}

func newAuth(auth gjson.Result) Auth {
	results := auth.Get("policy_results")
	a := Auth{
		Accessor:         text(auth.Get("accessor"), maxName),
		DisplayName:      text(auth.Get("display_name"), maxName),
		EntityID:         text(auth.Get("entity_id"), maxName),
		EntityCreated:    auth.Get("entity_created").Bool(),
		Metadata:         pairs(auth.Get("metadata")),
		Policies:         list(auth.Get("policies")),
		TokenPolicies:    list(auth.Get("token_policies")),
		IdentityPolicies: list(auth.Get("identity_policies")),
		TokenType:        text(auth.Get("token_type"), maxName),
		TokenTTL:         time.Duration(bounded(auth.Get("token_ttl").Int(), maxSeconds)) * time.Second,
		IssueTime:        stamp(auth.Get("token_issue_time")),
		RemainingUses:    int(bounded(auth.Get("remaining_uses").Int(), maxSeconds)),
		Judged:           results.IsObject(),
		Allowed:          results.Get("allowed").Bool(),
	}
	results.Get("granting_policies").ForEach(func(_, policy gjson.Result) bool {
		// The first element is always {"type":""}: a bug of Vault's, so policies without a name are none.
		if name := text(policy.Get("name"), maxName); name != "" {
			a.GrantingPolicies = append(a.GrantingPolicies, name)
		}
		return len(a.GrantingPolicies) < maxList
	})
	return a
}

// maxSeconds keeps a number of seconds from an alert within what a time.Duration holds (about 292 years).
const maxSeconds = 1 << 33

func bounded(n, limit int64) int64 { return max(0, min(n, limit)) }

func stamp(v gjson.Result) time.Time {
	t, err := time.Parse(time.RFC3339Nano, v.String())
	if err != nil {
		return time.Time{}
	}
	return t
}

// Outcome is how a request went, as far as this one record tells.
type Outcome string

// The outcomes.
const (
	Asked  Outcome = "asked"  // a request's record without an error; its response is another record
	Done   Outcome = "done"   // a response without an error
	Denied Outcome = "denied" // refused by policy, or for want of a valid token
	Failed Outcome = "failed" // any other error
)

// Outcome tells how the request went. A denied call leaves two records that both say so.
func (r *Record) Outcome() Outcome {
	switch {
	case r.Auth.Judged && !r.Auth.Allowed:
		return Denied
	case r.Error != "" && (!r.HasAuth || strings.Contains(r.Error, "permission denied")):
		return Denied
	case r.Error != "" || r.Response.Failed:
		return Failed
	case r.Type == "response":
		return Done
	}
	return Asked
}

// Login reports whether the record is of an attempt to log in: it then has no actor but the one that it makes.
// Auth backends of every kind log in at login, or below it, on their mount (userpass, approle, ldap, cert, jwt …). A
// login elsewhere in the path is a name that somebody gave: a user or a role called login has an actor who changed it.
func (r *Record) Login() bool {
	return r.MountClass == "auth" && r.Operation == "update" && r.MountType != "token" &&
		strings.HasPrefix(strings.TrimPrefix(r.Path, r.MountPoint)+"/", "login/")
}
