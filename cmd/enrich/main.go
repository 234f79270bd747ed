// Command enrich is the manager's side of the Vault integration for Wazuh: the daemon that finds out who is behind
// an alert, tells Wazuh, decides and responds (serve), and the tools of analysts and operators around it.
//
// What goes where: results to stdout, everything else to stderr; messages begin with "enrich: ", in lower case and
// without a full stop. Exit codes are part of the contract, see exit.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitUsage, err: err} // cobra's own complaints are about usage
	}
	if exit.err != nil {
		fmt.Fprintln(stderr, "enrich:", visibleLines(exit.err.Error()))
	}
	return exit.code
}

// options are those of every command.
type options struct {
	config string
}

func newRoot() *cobra.Command {
	opts := new(options)
	root := &cobra.Command{
		Use:           "enrich",
		Short:         "Tell Wazuh who is behind an alert about Vault, and respond",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          help, // so that cobra looks at Args, and an unknown command is an error
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVarP(&opts.config, "config", "c", "/etc/custom-vault/config.yml", "configuration file")
	root.AddCommand(newServe(opts), newAlert(opts), newLookup(opts), newConfig(opts), newStatus(opts), newVersion())
	return root
}

// help is what a command does that only has others below it.
func help(cmd *cobra.Command, _ []string) error { return failed(cmd.Help()) }
