package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// askAgain is the time between two questions of one that is asked until the answer is yes.
const askAgain = 20 * time.Millisecond

// Keys are what initialising gives, once: the unseal keys (base64) and the root token.
type Keys struct {
	Unseal    []string `json:"keys_base64"`
	RootToken string   `json:"root_token"`
}

// SealStatus is a node's own word on its seal.
type SealStatus struct {
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Threshold   int    `json:"t"`
	Shares      int    `json:"n"`
	Progress    int    `json:"progress"`
	Version     string `json:"version"`
	StorageType string `json:"storage_type"`
	ClusterID   string `json:"cluster_id"`
}

// SealStatus asks this node; it needs no token and is never forwarded.
func (s *Server) SealStatus(ctx context.Context) (SealStatus, error) {
	var status SealStatus
	err := s.askPlain(ctx, http.MethodGet, "sys/seal-status", nil, &status)
	return status, err
}

// Init initialises an empty Vault and remembers the keys for Unseal and Root.
func (s *Server) Init(ctx context.Context, shares, threshold int) (Keys, error) {
	var keys Keys
	err := s.askPlain(ctx, http.MethodPut, "sys/init", map[string]int{"secret_shares": shares, "secret_threshold": threshold}, &keys)
	if err != nil {
		return Keys{}, err
	}
	s.keys = keys
	return keys, nil
}

// UnsealKey gives one key and returns the status after it.
func (s *Server) UnsealKey(ctx context.Context, key string) (SealStatus, error) {
	var status SealStatus
	err := s.askPlain(ctx, http.MethodPut, "sys/unseal", map[string]string{"key": key}, &status)
	return status, err
}

// Unseal gives the keys that Init got, as many as are needed, and returns when the node is unsealed. A
// raft node that has just joined says "sealed" to the last key and is unsealed a little later.
func (s *Server) Unseal(ctx context.Context) error {
	status, err := s.SealStatus(ctx)
	if err != nil {
		return err
	}
	if len(s.keys.Unseal) == 0 {
		return errors.New("unseal Vault: its keys are not known here, as Init was not called on this server")
	}
	for _, key := range s.keys.Unseal {
		if !status.Sealed {
			return nil
		}
		if status, err = s.UnsealKey(ctx, key); err != nil {
			return err
		}
		if status.Progress == 0 { // reset: the threshold was met
			break
		}
	}
	return until(ctx, "Vault is unsealed", func() (bool, error) {
		status, err := s.SealStatus(ctx)
		return !status.Sealed, err
	})
}

// InitAndUnseal initialises with one key, unseals, and returns when the node is active.
func (s *Server) InitAndUnseal(ctx context.Context) error {
	if _, err := s.Init(ctx, 1, 1); err != nil {
		return err
	}
	if err := s.Unseal(ctx); err != nil {
		return err
	}
	return s.WaitActive(ctx)
}

// WaitActive returns when the node says that it is the active one: unsealed is not yet active where there
// is a leader to elect.
func (s *Server) WaitActive(ctx context.Context) error {
	return until(ctx, "Vault is active", func() (bool, error) {
		health, err := s.Health(ctx)
		return health == http.StatusOK, err
	})
}

// Health is the status of sys/health: 200 active, 429 standby, 501 not initialised, 503 sealed.
func (s *Server) Health(ctx context.Context) (int, error) {
	answer, err := s.Client("").Do(ctx, http.MethodGet, "sys/health", nil)
	return answer.Status, err
}

// Seal asks this node to seal and reports the status as it came. Whether it is sealed only SealStatus
// says: a sealed node answers 204 to anyone, a standby 500.
func (c *Client) Seal(ctx context.Context) (status int, err error) {
	answer, err := c.Do(ctx, http.MethodPut, "sys/seal", nil)
	return answer.Status, err
}

// WaitSealed asks this node every 20 ms until it says that it is sealed, and gives that answer and when it came.
func (s *Server) WaitSealed(ctx context.Context) (status SealStatus, at time.Time, err error) {
	err = until(ctx, "Vault is sealed", func() (bool, error) {
		status, err = s.SealStatus(ctx)
		at = time.Now()
		return status.Sealed, err
	})
	return status, at, err
}

// StepDown asks the active node to hand over.
func (c *Client) StepDown(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodPut, "sys/step-down", nil, nil)
	return err
}

// askPlain is for the few paths whose answer has no envelope and needs no token.
func (s *Server) askPlain(ctx context.Context, method, path string, body, into any) error {
	answer, err := s.Client("").Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if err := answer.Err(method, path); err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// until asks again and again until the answer is yes, an error, or ctx's end.
func until(ctx context.Context, what string, ask func() (bool, error)) error {
	ticker := time.NewTicker(askAgain)
	defer ticker.Stop()
	for {
		yes, err := ask()
		if err != nil {
			return fmt.Errorf("wait until %s: %w", what, err)
		}
		if yes {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		}
	}
}
