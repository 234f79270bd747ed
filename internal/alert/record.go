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

func newRecord(doc object) *Record {
	request, response := objectOf(doc.get("request")), doc.get("response")
	r := &Record{
		Type:                text(doc.get("type"), maxName),
		Time:                stamp(doc.get("time")),
		Error:               text(doc.get("error"), maxText),
		RequestID:           text(request.get("id"), maxName),
		Operation:           text(request.get("operation"), maxName),
		Path:                text(request.get("path"), maxPath),
		MountType:           text(request.get("mount_type"), maxName),
		MountPoint:          text(request.get("mount_point"), maxPath),
		MountClass:          text(request.get("mount_class"), maxName),
		Namespace:           text(request.get("namespace").Get("path"), maxPath),
		RemoteAddress:       text(request.get("remote_address"), maxName),
		UserAgent:           strings.Join(list(request.get("headers").Get("user-agent")), ", "),
		ClientID:            text(request.get("client_id"), maxName),
		ClientToken:         text(request.get("client_token"), maxName),
		ClientTokenAccessor: text(request.get("client_token_accessor"), maxName),
		WrapTTL:             bounded(request.get("wrap_ttl").Int(), maxSeconds),
		HasAuth:             doc.get("auth").IsObject(),
		Auth:                newAuth(objectOf(doc.get("auth"))),
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

func newAuth(auth object) Auth {
	results := auth.get("policy_results")
	a := Auth{
		Accessor:         text(auth.get("accessor"), maxName),
		DisplayName:      text(auth.get("display_name"), maxName),
		EntityID:         text(auth.get("entity_id"), maxName),
		EntityCreated:    auth.get("entity_created").Bool(),
		Metadata:         pairs(auth.get("metadata")),
		Policies:         list(auth.get("policies")),
		TokenPolicies:    list(auth.get("token_policies")),
		IdentityPolicies: list(auth.get("identity_policies")),
		TokenType:        text(auth.get("token_type"), maxName),
		TokenTTL:         time.Duration(bounded(auth.get("token_ttl").Int(), maxSeconds)) * time.Second,
		IssueTime:        stamp(auth.get("token_issue_time")),
		RemainingUses:    int(bounded(auth.get("remaining_uses").Int(), maxSeconds)),
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

// stamp takes a time that a clock may show. JSON has no years above 9999, and a token may end centuries later.
func stamp(v gjson.Result) time.Time {
	t, err := time.Parse(time.RFC3339Nano, v.String())
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
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

// mfaPath is where a login ends that asks for a second factor.
const mfaPath = "sys/mfa/validate"

// Login reports whether the record is of an attempt to log in: it then has no actor but the one that it makes.
// Auth backends of every kind log in at login, or below it, on their mount (userpass, approle, ldap, cert, jwt …). A
// login elsewhere in the path is a name that somebody gave: a user or a role called login has an actor who changed it.
func (r *Record) Login() bool {
	if r.Operation != "update" {
		return false
	}
	if r.Path == mfaPath {
		return true
	}
	mount := r.mount()
	return strings.HasPrefix(mount, "auth/") && mount != "auth/token/" && r.MountType != "token" &&
		strings.HasPrefix(strings.TrimPrefix(r.Path, mount)+"/", "login/")
}

// mount is the path of the mount. It is missing where nothing is mounted, and in records of old (2020): for an auth
// method the first two parts of the path must do then, unless somebody's token was sent along.
func (r *Record) mount() string {
	if r.MountPoint != "" || r.ClientToken+r.ClientTokenAccessor != "" || !strings.HasPrefix(r.Path, "auth/") {
		return r.MountPoint
	}
	method, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "auth/"), "/")
	return "auth/" + method + "/"
}
