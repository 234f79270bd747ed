// Package okta takes the place of the Okta SDK, which Vault's login MFA links in. The lab's Vault has
// no second factor: NewConfiguration fails, so that nothing below it is ever reached.
package okta

import (
	"context"
	"errors"
	"net/http"
)

var errLeftOut = errors.New("left out of the lab's Vault: Okta MFA")

// Configuration is never made.
type Configuration struct{ Context context.Context }

// ConfigSetter sets a field of a Configuration.
type ConfigSetter func(*Configuration)

// NewConfiguration always fails.
func NewConfiguration(...ConfigSetter) (*Configuration, error) { return nil, errLeftOut }

// Accepted and ignored.
func WithToken(string) ConfigSetter  { return nil }
func WithOrgUrl(string) ConfigSetter { return nil }
func WithCache(bool) ConfigSetter    { return nil }

// APIClient and what follows give Vault's code something to compile against.
type APIClient struct {
	UserAPI       users
	UserFactorAPI factors
}

// NewAPIClient returns a client whose every call fails.
func NewAPIClient(*Configuration) *APIClient { return &APIClient{} }

// GetConfig returns an empty Configuration.
func (*APIClient) GetConfig() *Configuration { return &Configuration{Context: context.Background()} }

// call is a prepared request for a T.
type call[T any] struct{}

// Execute always fails.
func (call[T]) Execute() (result T, _ *http.Response, _ error) { return result, nil, errLeftOut }

// Filter changes nothing.
func (c call[T]) Filter(string) call[T] { return c }

type identified struct{}

// GetId returns no id.
func (identified) GetId() string { return "" }

type (
	users   struct{}
	factors struct{}
)

func (users) ListUsers(context.Context) call[[]identified]         { return call[[]identified]{} }
func (factors) ListFactors(context.Context, string) call[[]factor] { return call[[]factor]{} }
func (factors) VerifyFactor(context.Context, string, string) call[*verification] {
	return call[*verification]{}
}
func (factors) GetFactorTransactionStatus(context.Context, string, string, string) call[*transaction] {
	return call[*transaction]{}
}

// UserFactorPush is a factor that is confirmed on a phone.
type UserFactorPush struct{ identified }

type factor struct{ UserFactorPush *UserFactorPush }

type verification struct{ Links map[string]any }

// GetFactorResult returns no result.
func (*verification) GetFactorResult() string { return "" }

type transaction struct {
	UserFactorPushTransaction, UserFactorPushTransactionWaiting         *struct{}
	UserFactorPushTransactionRejected, UserFactorPushTransactionTimeout *struct{}
}
