// Package k8s takes the place of go-discover's Kubernetes provider.
package k8s

import (
	"errors"
	"log"
)

// Provider finds nothing.
type Provider struct{}

// Addrs always fails.
func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("left out of the lab's Vault: auto-join by Kubernetes")
}

// Help is empty.
func (*Provider) Help() string { return "" }
