package main

import "fmt"

// Exit codes.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2 // usage, or the configuration
	exitDead         = 3 // the token is revoked or expired
	exitUnknown      = 4 // nobody is known by that name
	exitUnreachable  = 5 // Vault or the Wazuh API cannot be reached
	exitNotPermitted = 6 // our own token or user may not
	exitHeld         = 7 // held by a guard
	exitPartly       = 8 // partly done, or not proved
)

const exitHelp = `
EXIT STATUS
  0 done, 1 failed, 2 usage or configuration, 3 the token is dead (revoked or expired), 4 unknown,
  5 Vault or the Wazuh API is unreachable, 6 not permitted, 7 held by a guard, 8 partly done or unproved`

// exitError is an error with its exit code. An err of nil says that everything was printed already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitFailed, err: err}
}
