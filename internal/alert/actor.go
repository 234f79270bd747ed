package alert

import "strings"

// Acting says in what way a record knows who acted.
type Acting string

// The ways, see facts about audit records in docs/how-it-decides.md.
const (
	ActingToken           Acting = "token"           // a token, named by accessor or at least described by auth
	ActingLoggedIn        Acting = "logged in"       // the token that this login has just issued
	ActingLogin           Acting = "login"           // a login that is asked for or was refused: only the path names a user
	ActingUnauthenticated Acting = "unauthenticated" // no token was sent
	ActingInvalidToken    Acting = "invalid token"   // a token was sent that is bad, expired, revoked or used up
	ActingHeldBack        Acting = "held back"       // a good token that may not be used: its entity is disabled or deleted, its addresses bound
)

// Actor is who acted in a record, apart from the tokens that it only speaks of.
type Actor struct {
	Acting   Acting
	Accessor string // raw or hashed; empty for batch tokens and for nobody
	EntityID string
}

// Actor finds who acted. The accessor in request.client_token_accessor counts only where auth has none: a login's
// response carries the new token in auth, and a disabled entity's record has nothing else.
func (r *Record) Actor() Actor {
	if issued, ok := r.issued(); ok {
		return Actor{Acting: ActingLoggedIn, Accessor: issued.Accessor, EntityID: issued.EntityID}
	}
	switch {
	case r.Login():
		return Actor{Acting: ActingLogin}
	case r.HasAuth && (r.Auth.Accessor != "" || len(r.Auth.Policies) > 0):
		return Actor{Acting: ActingToken, Accessor: r.Auth.Accessor, EntityID: r.Auth.EntityID}
	case r.ClientTokenAccessor != "":
		return Actor{Acting: ActingHeldBack, Accessor: r.ClientTokenAccessor}
	case strings.Contains(r.Error, "invalid token"):
		return Actor{Acting: ActingInvalidToken}
	case r.ClientToken != "" && r.heldBack():
		return Actor{Acting: ActingHeldBack}
	case r.ClientToken != "":
		return Actor{Acting: ActingInvalidToken}
	}
	return Actor{Acting: ActingUnauthenticated}
}

// Credentials is what the record tells of the actor's token; of nobody's it is empty.
func (r *Record) Credentials() Auth {
	if issued, ok := r.issued(); ok {
		return issued
	}
	return r.Auth
}

// issued gives the token that a login has made. It is in auth, but a token that was sent along with the login stands
// there too until the login has succeeded. The answer of sys/mfa/validate has it in response.auth alone.
func (r *Record) issued() (Auth, bool) {
	answered := r.Response.AuthAccessor + r.Response.AuthDisplayName
	switch {
	case r.Error != "" || r.Response.Failed || r.Type == "request":
		return Auth{}, false
	case !r.Login():
		// A login of another kind, such as the return from an OIDC provider: nobody has a token before it.
		return r.Auth, r.ClientToken == "" && r.ClientTokenAccessor == "" && r.Auth.Accessor != "" && r.Auth.Accessor == r.Response.AuthAccessor
	case r.Path == mfaPath && answered != "":
		return Auth{
			Accessor: r.Response.AuthAccessor, DisplayName: r.Response.AuthDisplayName, EntityID: r.Response.AuthEntityID,
			Policies: r.Response.AuthPolicies,
		}, true
	case r.Auth.Accessor != "":
		return r.Auth, r.Auth.Accessor != r.ClientTokenAccessor
	}
	return r.Auth, r.Auth.DisplayName != "" && r.Type == "response" // a batch token
}

// heldBack reports whether a token without an accessor, a batch token, was refused though it is good: Vault says
// "invalid token" of bad ones. Versions that do not write mount_class did not say so of any.
func (r *Record) heldBack() bool {
	return r.MountClass != "" && strings.Contains(r.Error, "permission denied")
}
