package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/go-sockaddr"
)

// options is what `vault server` would read from its configuration file.
type options struct {
	listen            string
	certFile, keyFile string
	trustedProxies    []*sockaddr.SockAddrMarshaler

	storage       storageKind
	dir           string
	nodeID        string
	clusterListen string

	allowAuditPrefix bool
	logLevel         hclog.Level
	logJSON          bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var (
		o              options
		storage, level string
		proxies        string
	)
	flags := flag.NewFlagSet("vaultserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8200", "`address` of the API (also what other nodes redirect to); port 0 takes any free one")
	flags.StringVar(&o.certFile, "tls-cert", "", "certificate `file` (PEM); without it the API is plain HTTP")
	flags.StringVar(&o.keyFile, "tls-key", "", "key `file` (PEM) of -tls-cert")
	flags.StringVar(&proxies, "trust-forwarded-from", "", "comma-separated `networks` whose X-Forwarded-For is believed (x_forwarded_for_authorized_addrs)")
	flags.StringVar(&storage, "storage", string(storageInmem), "inmem, file or raft")
	flags.StringVar(&o.dir, "dir", "", "storage `folder` of file and raft; made if it is missing")
	flags.StringVar(&o.nodeID, "node-id", "", "raft: `name` of this node in its cluster")
	flags.StringVar(&o.clusterListen, "cluster-listen", "", "raft: `address` for raft and forwarded requests")
	flags.BoolVar(&o.allowAuditPrefix, "allow-audit-prefix", false, "accept audit devices with option prefix, which Vault since 1.20.1 refuses by default (allow_audit_log_prefixing)")
	flags.StringVar(&level, "log-level", "info", "trace, debug, info, warn or error")
	flags.BoolVar(&o.logJSON, "log-json", false, "operational log as JSON")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	var err error
	if proxies != "" {
		if o.trustedProxies, err = parseutil.ParseAddrs(proxies); err != nil {
			return options{}, fmt.Errorf("read -trust-forwarded-from %q: %w", proxies, err)
		}
	}
	if o.logLevel = hclog.LevelFromString(level); o.logLevel == hclog.NoLevel {
		return options{}, fmt.Errorf("-log-level %q is none of trace, debug, info, warn, error", level)
	}
	o.storage = storageKind(storage)
	return o, o.check()
}

// check finds the contradictions between flags, so that none of them is ignored in silence.
func (o options) check() error {
	if (o.certFile == "") != (o.keyFile == "") {
		return errors.New("-tls-cert and -tls-key are given together or not at all")
	}
	switch o.storage {
	case storageInmem:
		if o.dir != "" {
			return errors.New("-dir needs -storage file or raft")
		}
	case storageFile, storageRaft:
		if o.dir == "" {
			return fmt.Errorf("-storage %s needs -dir", o.storage)
		}
	default:
		return fmt.Errorf("-storage %q is none of inmem, file, raft", o.storage)
	}
	isRaft := o.storage == storageRaft
	if isRaft != (o.nodeID != "") || isRaft != (o.clusterListen != "") {
		return errors.New("-node-id and -cluster-listen are needed with -storage raft and mean nothing without")
	}
	return nil
}
