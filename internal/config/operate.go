package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ShortestKeep is the least time for which handled alerts are kept, whatever they weigh. A line can arrive again for
// as long: a file of alerts.json that was cut back is read again from its start, which is a day of lines, and the
// hook's copy of a line may come hours after it. An alert that is forgotten earlier would be handled twice.
const ShortestKeep = 48 * time.Hour

// maxSocketPath is what fits into a sockaddr_un with its closing NUL (unix(7)).
const maxSocketPath = 107

// Metrics says where the daemon's numbers can be read.
type Metrics struct {
	Listen string `yaml:"listen" doc:"Where Prometheus reads the metrics: unix:/run/custom-vault/metrics.sock (mode 0660) or a loopback address such as 127.0.0.1:9464; empty for nowhere. Other addresses are refused."`
}

// Control says where commands reach the daemon.
type Control struct {
	Socket string `yaml:"socket" doc:"Unix socket of the running daemon, for enrich status; only root and the daemon's own user are answered. Empty for none."`
}

// Network is the network and the address to listen on; ok is false where there is none.
func (m Metrics) Network() (network, address string, ok bool) {
	if path, unix := strings.CutPrefix(m.Listen, "unix:"); unix {
		return "unix", path, true
	}
	return "tcp", m.Listen, m.Listen != ""
}

func (cfg *Config) checkOperation(c *checker) {
	c.within("$.store.keep", cfg.Store.Keep, ShortestKeep, 10*365*24*time.Hour)
	c.count("$.store.max_size", cfg.Store.MaxSize, 64, 1_000_000)
	if cfg.Control.Socket != "" {
		c.socket("$.control.socket", cfg.Control.Socket)
	}
	switch network, address, ok := cfg.Metrics.Network(); {
	case !ok:
	case network == "unix":
		c.socket("$.metrics.listen", address)
	default:
		if err := checkLoopback(address); err != nil {
			c.fail("$.metrics.listen", "%v", err)
		}
	}
}

func (c *checker) socket(path, value string) {
	c.absolute(path, value)
	if len(value) > maxSocketPath || filepath.Clean(value) != value {
		c.fail(path, "%q is no path of a socket: it must be plain, and of at most %d bytes", value, maxSocketPath)
	}
}

// checkLoopback takes addresses and no names: what a name stands for may change.
func checkLoopback(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is neither unix:/path nor an address with a port, such as 127.0.0.1:9464", address)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%q is not a loopback address, such as 127.0.0.1 or [::1]: metrics are not for the network", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}
