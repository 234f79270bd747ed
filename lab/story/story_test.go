package story_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"custom-vault/lab/story"
	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// policyDir holds the policies that operators install.
const policyDir = "../../ossec-snippets/vault-policies"

const clientAddress = "10.20.30.40"

func TestBobsStory(t *testing.T) {
	t.Parallel()
	stage := prepare(t)
	var told []story.Step
	timeline, err := stage.Run(t.Context(), story.Pace{}, func(s story.Step) { told = append(told, s) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(timeline.Steps, told); diff != "" {
		t.Errorf("steps told differ from the timeline (-timeline +told):\n%s", diff)
	}

	type said struct {
		Kind   story.Kind
		Path   string
		Status int
		Reason string
	}
	want := []said{
		{story.Login, "auth/userpass/login/bob", 200, ""},
		{story.Forbidden, "secret/metadata", 403, "permission denied"},
		{story.Forbidden, "secret/data/otherapp/config", 403, "permission denied"},
	}
	for range 10 {
		want = append(want, said{story.Read, "secret/data/myapp/config", 200, ""})
	}
	var got []said
	for _, s := range timeline.Steps {
		got = append(got, said{s.Kind, s.Path, s.Status, s.Reason})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bob's steps (-want +got):\n%s", diff)
	}
	if timeline.EntityID != stage.EntityID {
		t.Errorf("bob's token is of entity %q, want %q", timeline.EntityID, stage.EntityID)
	}
	if diff := cmp.Diff([]string{"default", story.UserPolicy}, timeline.Policies); diff != "" {
		t.Errorf("bob's policies (-want +got):\n%s", diff)
	}
}

func TestTheAuditFileTellsTheStoryUnderBobsAccessor(t *testing.T) {
	t.Parallel()
	stage := prepare(t)
	timeline, err := stage.Run(t.Context(), story.Pace{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	records, err := vault.ReadAudit(stage.AuditFile)
	if err != nil {
		t.Fatal(err)
	}
	var reads []vault.AuditRecord
	for _, r := range records {
		if !strings.HasPrefix(string(r.Line), vault.ArticlePrefix+"{") {
			t.Errorf("record without prefix: %.60q", r.Line)
		}
		if r.Type == "request" && r.Request.Path == "secret/data/myapp/config" {
			reads = append(reads, r)
		}
	}
	if len(reads) != story.Reads {
		t.Fatalf("the audit file holds %d requests for the secret, want %d", len(reads), story.Reads)
	}
	for _, r := range reads {
		if r.Auth.Accessor != timeline.Accessor || r.Auth.DisplayName != "userpass-bob" || r.Request.RemoteAddress != clientAddress {
			t.Errorf("a read by %q (%s) from %s, want bob's %q from %s",
				r.Auth.Accessor, r.Auth.DisplayName, r.Request.RemoteAddress, timeline.Accessor, clientAddress)
		}
	}
	if last := reads[len(reads)-1].Time; !timeline.LastRead.Equal(last) {
		t.Errorf("last read at %s, want the tenth record's %s", timeline.LastRead, last)
	}
}

func TestTheProductsTokensMayDoTheirWorkOnly(t *testing.T) {
	t.Parallel()
	stage := prepare(t)
	timeline, err := stage.Run(t.Context(), story.Pace{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lookup := stage.Server.Client(stage.Lookup.ClientToken)
	sealer := stage.Server.Client(stage.Seal.ClientToken)

	info, err := lookup.LookupAccessor(t.Context(), timeline.Accessor)
	if err != nil {
		t.Fatal(err)
	}
	entity, err := lookup.Entity(t.Context(), info.EntityID)
	if err != nil {
		t.Fatal(err)
	}
	if entity.Name != "bob" || len(entity.Aliases) != 1 || entity.Aliases[0].Name != "bob" {
		t.Errorf("behind bob's accessor is %+v, want entity bob with alias bob", entity)
	}
	if _, _, err := lookup.ReadSecret(t.Context(), story.Mount, story.Secret); vault.StatusOf(err) != http.StatusForbidden {
		t.Errorf("the lookup token reads the secret: %v, want 403", err)
	}
	if status, err := lookup.Seal(t.Context()); status != http.StatusForbidden {
		t.Errorf("the lookup token seals: %d %v, want 403", status, err)
	}
	if _, err := sealer.LookupAccessor(t.Context(), timeline.Accessor); vault.StatusOf(err) != http.StatusForbidden {
		t.Errorf("the sealer's token looks up: %v, want 403", err)
	}

	if status, err := sealer.Seal(t.Context()); status != http.StatusNoContent {
		t.Fatalf("the sealer's token seals: %d %v, want 204", status, err)
	}
	status, at, err := stage.Server.WaitSealed(t.Context())
	if err != nil || !status.Sealed {
		t.Fatalf("after sealing: %+v, %v", status, err)
	}
	if at.Before(timeline.LastRead) {
		t.Errorf("sealed at %s, before the last read at %s", at, timeline.LastRead)
	}
	wantSealRecordOf(t, stage, stage.Seal.Accessor)
}

func TestAVaultSealedUnderBobEndsTheStoryAtThatStep(t *testing.T) {
	t.Parallel()
	stage := prepare(t)
	timeline, err := stage.Run(t.Context(), story.Pace{}, func(s story.Step) {
		if strings.Contains(s.Text, "(4 of 10)") {
			if status, err := stage.Server.Client(stage.Seal.ClientToken).Seal(t.Context()); status != http.StatusNoContent {
				t.Errorf("seal: %d %v", status, err)
			}
		}
	})
	var stopped *story.StepError
	if !errors.As(err, &stopped) {
		t.Fatalf("got %v, want a *StepError", err)
	}
	if stopped.Step.Status != http.StatusServiceUnavailable || stopped.Step.Reason != "Vault is sealed" {
		t.Errorf("stopped by %+v, want 503 Vault is sealed", stopped.Step)
	}
	if last := timeline.Steps[len(timeline.Steps)-1]; !strings.Contains(last.Text, "(5 of 10)") {
		t.Errorf("the timeline ends with %q, want the fifth read", last.Text)
	}
}

func prepare(t *testing.T) *story.Stage {
	t.Helper()
	server := vaulttest.StartUnsealed(t, vault.Config{TrustForwardedFrom: []string{"127.0.0.1/32"}})
	stage, err := story.Prepare(t.Context(), server, story.Setup{PolicyDir: policyDir, ClientAddress: clientAddress})
	if err != nil {
		t.Fatal(err)
	}
	return stage
}

func wantSealRecordOf(t *testing.T, stage *story.Stage, accessor string) {
	t.Helper()
	records, err := vault.ReadAudit(stage.AuditFile)
	if err != nil {
		t.Fatal(err)
	}
	last := records[len(records)-1]
	if last.Request.Path != "sys/seal" || last.Auth.Accessor != accessor {
		t.Errorf("the last audit record is of %s by %q, want sys/seal by the sealer's %q", last.Request.Path, last.Auth.Accessor, accessor)
	}
}
