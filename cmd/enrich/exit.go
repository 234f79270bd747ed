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
)

// What the help of each command promises of its exit codes.
const (
	exitHelp = `
EXIT STATUS
  0 done, 1 failed, 2 usage or configuration`

	exitHelpAlert = `
EXIT STATUS
  0 done, also where Vault could not be asked or a guard held a response back: the output says so
  1 failed
  2 usage or configuration, or FILE holds no alert of ours`

	exitHelpLookup = `
EXIT STATUS
  0 alive and known
  1 failed
  2 usage or configuration
  3 the token is gone: revoked, expired, used up, or never was
  4 unknown: the hash is in no index, Vault has no such entity
  5 Vault does not answer
  6 our own token may not ask, or is invalid`
)

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
