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
	ActingHeldBack        Acting = "held back"       // a known token whose entity is disabled or deleted
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
	switch {
	case r.Login() && r.Type == "response" && r.Auth.Accessor+r.Auth.DisplayName != "":
		return Actor{Acting: ActingLoggedIn, Accessor: r.Auth.Accessor, EntityID: r.Auth.EntityID}
	case r.Login():
		return Actor{Acting: ActingLogin}
	case r.HasAuth && (r.Auth.Accessor != "" || len(r.Auth.Policies) > 0):
		return Actor{Acting: ActingToken, Accessor: r.Auth.Accessor, EntityID: r.Auth.EntityID}
	case r.ClientTokenAccessor != "":
		return Actor{Acting: ActingHeldBack, Accessor: r.ClientTokenAccessor}
	case strings.Contains(r.Error, "invalid token") || r.ClientToken != "":
		return Actor{Acting: ActingInvalidToken}
	}
	return Actor{Acting: ActingUnauthenticated}
}
