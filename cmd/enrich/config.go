package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"custom-vault/internal/config"
)

func newConfig(opts *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration, or print what can be in it",
		Args:  cobra.NoArgs,
		RunE:  help,
	}
	command.AddCommand(newConfigCheck(opts), newConfigReference())
	return command
}

func newConfigCheck(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file and the secret files that it names",
		Long:  "Check the configuration file and the files that it names. Nothing is connected to.\n" + exitHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(opts)
			if err != nil {
				return err
			}
			if err := checkFiles(cfg); err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %d clusters, rules %s, sealing is %s, publishing %s\n",
				opts.config, len(cfg.Clusters), cfg.Decide.Rules, sealMode(cfg), cfg.Publish.What)
			return failed(err)
		},
	}
}

func sealMode(cfg config.Config) string {
	switch {
	case cfg.Decide.ObserveOnly:
		return "off (observe_only)"
	case cfg.Decide.Seal == config.ModeArmed:
		return "ARMED"
	}
	return "observed only"
}

func newConfigReference() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print every key with its type, default and meaning",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(config.WriteReference(cmd.OutOrStdout()))
		},
	}
}

func loadConfig(opts *options) (config.Config, error) {
	cfg, err := config.Load(opts.config)
	if err != nil {
		return config.Config{}, &exitError{code: exitUsage, err: err}
	}
	return cfg, nil
}
