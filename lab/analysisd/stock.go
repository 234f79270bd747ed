package analysisd

import "embed"

// stockFiles is what little of Wazuh's own ruleset the lab has: the decoders json and
// ar_log_json, and the rules 1 and 650 to 658. File names are the stock ones, since they decide
// the order of loading.
//
//go:embed stock
var stockFiles embed.FS
