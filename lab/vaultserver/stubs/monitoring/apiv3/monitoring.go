// Package monitoring takes the place of Google Cloud Monitoring's client.
package monitoring

import (
	"context"
	"errors"
)

// NewMetricClient always fails.
func NewMetricClient(context.Context, ...any) (any, error) {
	return nil, errors.New("left out of the lab's Vault: Google Cloud Monitoring")
}
