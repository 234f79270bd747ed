package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"custom-vault/lab/vault"
)

// Reads is how often bob reads the secret.
const Reads = 10

// Within is the time in which the reads have to be done to be what the published rule counts.
const Within = time.Minute

// Kind says what a step is.
type Kind string

// The kinds of bob's steps.
const (
	Login     Kind = "login"
	Forbidden Kind = "forbidden"
	Read      Kind = "read"
)

// Step is one thing that bob did and what Vault said.
type Step struct {
	Kind Kind `json:"kind"`
	// At is when Vault's answer was there, Took how long it took.
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took_ns"`
	// Text says for people what bob did, such as "bob reads secret/myapp/config (3 of 10)".
	Text string `json:"text"`
	// Method and Path are the request, without /v1/.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Status is Vault's, Reason its words when it refused.
	Status int    `json:"status"`
	Reason string `json:"reason,omitempty"`
	// RequestID is the audit record's request.id; answers that are errors have none.
	RequestID string `json:"request_id,omitempty"`
}

// Timeline is what happened.
type Timeline struct {
	Steps []Step `json:"steps"`
	// Accessor is that of bob's token, EntityID and Policies what Vault gave with it.
	Accessor string   `json:"accessor"`
	EntityID string   `json:"entity_id"`
	Policies []string `json:"policies"`
	// LastRead is the time in the audit record of the tenth read's request: Vault's own clock.
	LastRead time.Time `json:"last_read"`
}

// StepError says which of bob's steps did not go as the story has it, and how Vault answered it.
type StepError struct {
	Step Step
	Want int
}

// Error names the step and both statuses.
func (e *StepError) Error() string {
	return fmt.Sprintf("%s: vault answered %d (%s), the story wants %d", e.Step.Text, e.Step.Status, e.Step.Reason, e.Want)
}

// Pace spreads bob's steps. The zero value lets him go as quickly as Vault answers.
type Pace struct {
	// BetweenReads is the time from one read's answer to the next read.
	BetweenReads time.Duration
}

// Run plays bob. each, if not nil, is called after every step, by Run's own goroutine. An answer that the
// story does not have ends it with a *StepError; the timeline holds what was done until then. Such an end is
// not always a fault of the stage: a product that is quick seals Vault before the tenth read.
func (st *Stage) Run(ctx context.Context, pace Pace, each func(Step)) (Timeline, error) {
	if each == nil {
		each = func(Step) {}
	}
	bob := player{stage: st, each: each, client: st.Server.Client("")}
	if st.clientAddress != "" {
		bob.client = bob.client.From(st.clientAddress)
	}
	err := bob.play(ctx, pace)
	return bob.timeline, err
}

// player is bob, while he acts.
type player struct {
	stage    *Stage
	client   *vault.Client
	each     func(Step)
	timeline Timeline
}

func (p *player) play(ctx context.Context, pace Pace) error {
	if err := p.login(ctx); err != nil {
		return err
	}
	// What `vault kv list secret/` and `vault kv get secret/otherapp/config` ask.
	forbidden := []Step{
		{Method: "LIST", Path: Mount + "/metadata", Text: User + " tries to list " + Mount + "/"},
		{Method: http.MethodGet, Path: Mount + "/data/" + ForbiddenOne, Text: User + " tries to read " + Mount + "/" + ForbiddenOne},
	}
	for _, step := range forbidden {
		step.Kind = Forbidden
		if _, err := p.do(ctx, step, nil, http.StatusForbidden); err != nil {
			return err
		}
	}
	return p.readTenTimes(ctx, pace)
}

func (p *player) login(ctx context.Context) error {
	step := Step{Kind: Login, Method: http.MethodPost, Path: "auth/userpass/login/" + User, Text: User + " logs in"}
	answer, err := p.do(ctx, step, map[string]string{"password": p.stage.password}, http.StatusOK)
	if err != nil {
		return err
	}
	var login struct {
		Auth vault.Auth `json:"auth"`
	}
	if err := json.Unmarshal(answer, &login); err != nil {
		return fmt.Errorf("%s: read the answer: %w", step.Text, err)
	}
	p.client = p.client.WithToken(login.Auth.ClientToken)
	p.timeline.Accessor = login.Auth.Accessor
	p.timeline.EntityID = login.Auth.EntityID
	p.timeline.Policies = login.Auth.Policies
	return nil
}

func (p *player) readTenTimes(ctx context.Context, pace Pace) error {
	begin := time.Now()
	for n := range Reads {
		if n > 0 {
			if err := pause(ctx, pace.BetweenReads); err != nil {
				return err
			}
		}
		step := Step{
			Kind: Read, Method: http.MethodGet, Path: Mount + "/data/" + Secret,
			Text: fmt.Sprintf("%s reads %s/%s (%d of %d)", User, Mount, Secret, n+1, Reads),
		}
		if _, err := p.do(ctx, step, nil, http.StatusOK); err != nil {
			return err
		}
	}
	if took := time.Since(begin); took > Within {
		return fmt.Errorf("bob's %d reads took %s, more than %s: a shorter pace is needed", Reads, took.Round(time.Millisecond), Within)
	}
	last := p.timeline.Steps[len(p.timeline.Steps)-1]
	at, err := requestTime(p.stage.AuditFile, last.RequestID)
	p.timeline.LastRead = at
	return err
}

// do sends one request, records what came of it, and returns the answer's body if the status is the wanted one.
func (p *player) do(ctx context.Context, step Step, body any, want int) ([]byte, error) {
	begin := time.Now()
	answer, err := p.client.Do(ctx, step.Method, step.Path, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step.Text, err)
	}
	step.At = time.Now()
	step.Took = step.At.Sub(begin)
	step.Status = answer.Status
	var said struct {
		RequestID string   `json:"request_id"`
		Errors    []string `json:"errors"`
	}
	if len(answer.Body) > 0 {
		if err := json.Unmarshal(answer.Body, &said); err != nil {
			return nil, fmt.Errorf("%s: read the answer: %w", step.Text, err)
		}
	}
	step.RequestID = said.RequestID
	step.Reason = reason(said.Errors)
	p.timeline.Steps = append(p.timeline.Steps, step)
	p.each(step)
	if step.Status != want {
		return nil, &StepError{Step: step, Want: want}
	}
	return answer.Body, nil
}

// reason puts Vault's words on one line: "1 error occurred:\n\t* permission denied\n\n" is "permission denied".
func reason(texts []string) string {
	var words []string
	for _, text := range texts {
		for line := range strings.Lines(text) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "* ")
			if line != "" && !strings.HasSuffix(line, "occurred:") {
				words = append(words, line)
			}
		}
	}
	return strings.Join(words, "; ")
}

// requestTime is when Vault took the request, by the audit record that has its id.
func requestTime(auditFile, requestID string) (time.Time, error) {
	records, err := vault.ReadAudit(auditFile)
	if err != nil {
		return time.Time{}, err
	}
	for _, r := range records {
		if r.Type == "request" && r.Request.ID == requestID {
			return r.Time, nil
		}
	}
	return time.Time{}, errors.New("the audit file " + auditFile + " has no record of request " + requestID)
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
