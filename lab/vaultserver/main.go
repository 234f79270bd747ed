// Command vaultserver is a real Vault for the lab: Vault's own core, HTTP API, file audit device, raft
// storage and the few backends that the product's tests and its demo need, without the vault CLI and
// without the cloud SDKs. It speaks, logs, audits and answers signals as `vault server` does. It is a
// test tool: it has no seal but Shamir's, does not lock memory, and is never shipped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Exit codes. A caller that picks a port at random tries another one on exitAddressInUse.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitAddressInUse = 3
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until it is told to stop. stdout gets one line, "listening URL", once requests are
// answered; the banners of the vault CLI and the operational log go to stderr.
func run(args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "vaultserver:", err)
		return exitUsage
	}
	signals, stop := notifySignals()
	defer stop()

	log := &gatedLog{out: stderr}
	defer func() { _ = log.release() }() // of a server that never came up; nothing is left to tell otherwise
	s, err := newServer(opts, log)
	if err == nil {
		_, err = fmt.Fprintln(stdout, "listening", s.url())
	}
	if err == nil {
		err = s.serve(signals)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, _ = fmt.Fprintln(stderr, "vaultserver:", err)
		return exitAddressInUse
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "vaultserver:", err)
		return exitFailed
	}
	return exitOK
}
