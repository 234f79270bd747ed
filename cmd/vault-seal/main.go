// Command vault-seal is the agent's active response: wazuh-execd starts it as root in the agent's home, without
// arguments and almost without an environment, and writes one line to its stdin; it seals the Vault nodes of this
// host and appends one line per node to the agent's active-responses.log.
//
// It prints nothing on stdout when execd runs it, because execd would take that for a check_keys message. A person
// gets on stderr what could not be reported, and with -h what there is to know.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"custom-vault/internal/sealing"
)

// version is set by the Makefile from git.
var version = "unknown"

// Exit codes.
const (
	exitDone   = 0 // every node is sealed, or there was nothing to do
	exitFailed = 1
	exitConfig = 2 // usage, configuration, token file
	exitPartly = 8
)

const usage = `vault-seal seals the Vault nodes of this host. Wazuh's execd starts it as an active response:
it reads one line from stdin, and reports in the agent's logs/active-responses.log.

usage: vault-seal [-config FILE] < LINE
       vault-seal version

  -config FILE   instead of ` + sealing.DefaultConfigFile + `

EXIT STATUS
  0 every node is sealed, or there was nothing to do; 1 failed; 2 usage, configuration or token file; 8 some nodes only
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("vault-seal", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	config := flags.String("config", sealing.DefaultConfigFile, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "vault-seal: %v\n\n%s", err, usage)
		return exitConfig
	}
	switch {
	case flags.NArg() == 0:
		return respond(ctx, *config, stdin, stderr)
	case flags.NArg() == 1 && flags.Arg(0) == "version":
		fmt.Fprintln(stdout, "vault-seal", version)
		return exitDone
	}
	fmt.Fprintf(stderr, "vault-seal: unknown arguments %q\n\n%s", flags.Args(), usage)
	return exitConfig
}
