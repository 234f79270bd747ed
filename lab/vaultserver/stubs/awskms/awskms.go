// Package awskms takes the place of Vault's AWS KMS seal wrapper. The lab's Vault is sealed with
// Shamir shares only, so the provider's SDK behind the real one is dead weight.
package awskms

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

// Vault uses these as keys of one map literal: they must differ, what they say does not matter.
const (
	EnvVaultAwsKmsSealKeyId = "unused EnvVaultAwsKmsSealKeyId"
	EnvAwsKmsWrapperKeyId   = "unused EnvAwsKmsWrapperKeyId"
)

// Wrapper has the shape of a seal wrapper and seals nothing.
type Wrapper struct{ wrapping.Wrapper }

// NewWrapper returns a Wrapper whose SetConfig fails.
func NewWrapper() *Wrapper { return &Wrapper{} }

// SetConfig always fails.
func (*Wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("left out of the lab's Vault: AWS KMS auto-unseal")
}

// WithDisallowEnvVars is accepted and ignored.
func WithDisallowEnvVars(bool) wrapping.Option { return ignored }

// WithLogger is accepted and ignored. Vault's core hands it to its Shamir wrapper.
func WithLogger(hclog.Logger) wrapping.Option { return ignored }

func ignored() interface{} { return nil }
