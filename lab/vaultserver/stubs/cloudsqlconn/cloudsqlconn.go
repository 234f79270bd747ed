// Package cloudsqlconn takes the place of Google's Cloud SQL connector, which Vault's database
// plugins link in. The lab's Vault mounts no database.
package cloudsqlconn

// Option and DialOption configure a connector; here they are accepted and ignored.
type (
	Option     func()
	DialOption func()
)

// Accepted and ignored.
func WithIAMAuthN() Option                        { return nil }
func WithCredentialsJSON([]byte) Option           { return nil }
func WithDefaultDialOptions(...DialOption) Option { return nil }
func WithPrivateIP() DialOption                   { return nil }
func WithPSC() DialOption                         { return nil }
