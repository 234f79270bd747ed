// Package option takes the place of the option package of Google's API client.
package option

// WithUserAgent is accepted and ignored.
func WithUserAgent(string) any { return nil }
