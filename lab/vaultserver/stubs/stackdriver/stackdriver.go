// Package stackdriver takes the place of the Stackdriver metrics sink.
package stackdriver

import "github.com/armon/go-metrics"

// Config has the fields that Vault sets; nothing reads them.
type Config struct {
	LabelExtractor, Bucketer       any
	ProjectID, Location, Namespace string
	DebugLogs                      bool
}

// NewSink returns a sink that drops every sample.
func NewSink(any, *Config) *metrics.BlackholeSink { return &metrics.BlackholeSink{} }
