// Package azurekeyvault takes the place of Vault's Azure Key Vault seal wrapper. The lab's Vault is sealed with
// Shamir shares only, so the provider's SDK behind the real one is dead weight.
package azurekeyvault

import (
	"context"
	"errors"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

// Vault uses these as keys of one map literal: they must differ, what they say does not matter.
const (
	EnvAzureKeyVaultWrapperKeyName   = "unused EnvAzureKeyVaultWrapperKeyName"
	EnvVaultAzureKeyVaultKeyName     = "unused EnvVaultAzureKeyVaultKeyName"
	EnvAzureKeyVaultWrapperVaultName = "unused EnvAzureKeyVaultWrapperVaultName"
	EnvVaultAzureKeyVaultVaultName   = "unused EnvVaultAzureKeyVaultVaultName"
)

// Wrapper has the shape of a seal wrapper and seals nothing.
type Wrapper struct{ wrapping.Wrapper }

// NewWrapper returns a Wrapper whose SetConfig fails.
func NewWrapper() *Wrapper { return &Wrapper{} }

// SetConfig always fails.
func (*Wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("left out of the lab's Vault: Azure Key Vault auto-unseal")
}

// WithDisallowEnvVars is accepted and ignored.
func WithDisallowEnvVars(bool) wrapping.Option { return ignored }

func ignored() interface{} { return nil }
