// Package vault takes the place of the Stackdriver sink's settings for Vault.
package vault

// Extractor and Bucketer are only handed on to the sink.
var Extractor, Bucketer any
