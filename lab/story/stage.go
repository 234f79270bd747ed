// Package story tells what the demo shows on a running Vault: bob, who may read one secret, tries what he
// may not, and then reads that secret ten times within a minute. Prepare sets the stage, Run plays bob
// and reports each step with Vault's answer. It imports the lab's vault and nothing of the product, so that
// it cannot help the product along; what the product makes of bob is for others to tell.
package story

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"custom-vault/lab/vault"
)

// The names on the stage, those of the published article where it has one.
const (
	User       = "bob"
	UserPolicy = "limited-user"

	Mount        = "secret"          // a kv engine of version 2
	Secret       = "myapp/config"    // what bob may read
	ForbiddenOne = "otherapp/config" // what he may not

	AuditDevice = "file"

	LookupPolicy = "wazuh-lookup" // of the token that finds out who is behind an accessor
	SealPolicy   = "wazuh-seal"   // of the token that seals
)

// userPolicy lets bob read one secret, and nothing else of the engine.
const userPolicy = `path "secret/data/myapp/config" {
  capabilities = ["read"]
}
`

// Periods of the product's tokens, as the comments of their policies recommend them.
const (
	lookupPeriod = 24 * time.Hour
	sealPeriod   = 30 * 24 * time.Hour
)

// Setup says what Prepare needs to know.
type Setup struct {
	// PolicyDir holds wazuh-lookup.hcl and wazuh-seal.hcl: the files that an operator installs.
	PolicyDir string
	// AuditFile is where the audit device writes; empty is audit.log in the server's folder.
	AuditFile string
	// ClientAddress is where bob seems to come from, if not from loopback; the server has to trust
	// loopback's X-Forwarded-For (vault.Config.TrustForwardedFrom).
	ClientAddress string
}

// Stage is a Vault on which bob can act.
type Stage struct {
	Server *vault.Server
	// AuditFile is the audit device's file, absolute.
	AuditFile string
	// EntityID is bob's entity. Its name and its userpass alias are "bob".
	EntityID string
	// Lookup and Seal are the product's tokens: orphan, periodic, without the policy "default".
	Lookup, Seal vault.Auth

	password      string
	clientAddress string
}

// Prepare sets the stage on an unsealed Vault with empty storage. The audit device comes last, so that what it
// holds is the story and not the root token's preparations.
func Prepare(ctx context.Context, s *vault.Server, o Setup) (*Stage, error) {
	if o.AuditFile == "" {
		o.AuditFile = filepath.Join(s.Dir(), "audit.log")
	}
	auditFile, err := filepath.Abs(o.AuditFile)
	if err != nil {
		return nil, fmt.Errorf("find the audit file: %w", err)
	}
	stage := &Stage{Server: s, AuditFile: auditFile, password: rand.Text(), clientAddress: o.ClientAddress}
	for _, step := range []struct {
		what string
		do   func(context.Context, Setup) error
	}{
		{"put the secrets in place", stage.prepareSecrets},
		{"make bob", stage.prepareUser},
		{"make the product's tokens", stage.prepareTokens},
		{"enable the audit device", stage.enableAudit},
	} {
		if err := step.do(ctx, o); err != nil {
			return nil, fmt.Errorf("set the stage: %s: %w", step.what, err)
		}
	}
	return stage, nil
}

func (st *Stage) prepareSecrets(ctx context.Context, _ Setup) error {
	root := st.Server.Root()
	if err := root.EnableKV2(ctx, Mount); err != nil {
		return err
	}
	return errors.Join(
		root.WriteSecret(ctx, Mount, Secret, map[string]string{"username": "myapp", "password": rand.Text()}),
		root.WriteSecret(ctx, Mount, ForbiddenOne, map[string]string{"username": "otherapp", "password": rand.Text()}),
	)
}

func (st *Stage) prepareUser(ctx context.Context, _ Setup) error {
	root := st.Server.Root()
	if err := root.WritePolicy(ctx, UserPolicy, userPolicy); err != nil {
		return err
	}
	if err := root.EnableUserpass(ctx); err != nil {
		return err
	}
	if err := root.CreateUser(ctx, User, st.password, UserPolicy); err != nil {
		return err
	}
	var err error
	st.EntityID, err = root.CreateEntity(ctx, User, User)
	return err
}

func (st *Stage) prepareTokens(ctx context.Context, o Setup) (err error) {
	if st.Lookup, err = st.machineToken(ctx, o.PolicyDir, LookupPolicy, lookupPeriod); err != nil {
		return err
	}
	st.Seal, err = st.machineToken(ctx, o.PolicyDir, SealPolicy, sealPeriod)
	return err
}

// machineToken writes the policy from its file and makes a token that has this policy only.
func (st *Stage) machineToken(ctx context.Context, dir, policy string, period time.Duration) (vault.Auth, error) {
	root := st.Server.Root()
	file := filepath.Join(dir, policy+".hcl")
	hcl, err := os.ReadFile(file)
	if err != nil {
		return vault.Auth{}, fmt.Errorf("read the policy: %w", err)
	}
	if err := root.WritePolicy(ctx, policy, string(hcl)); err != nil {
		return vault.Auth{}, fmt.Errorf("%s: %w", file, err)
	}
	return root.CreateOrphanPeriodicToken(ctx, vault.Token{DisplayName: policy, Policies: []string{policy}, Period: period})
}

// enableAudit enables the device as the product recommends it: accessors in clear, lists without their keys.
func (st *Stage) enableAudit(ctx context.Context, _ Setup) error {
	return st.Server.Root().EnableFileAudit(ctx, AuditDevice, vault.FileAudit{
		File:               st.AuditFile,
		RawAccessors:       true,
		Prefix:             vault.ArticlePrefix,
		ElideListResponses: true,
	})
}
