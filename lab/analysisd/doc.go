// Package analysisd does to an event what Wazuh 4.14.4's analysisd does: takes a datagram
// from the queue apart, pre-decodes and decodes it, walks it through the tree of rules, keeps
// the memory that frequency rules need, and writes the lines of alerts.json and archives.json.
// It reads the same decoder, rule and list files, and says the same about faulty ones.
//
// It imports the reading and matching packages beside it and touches neither network nor clock:
// files come through an fs.FS, the time of an event is an argument. It is held to recordings of
// the real daemon by package oracle; where the two disagree, the recording is right.
//
// Not implemented, and refused with ErrLacking when a ruleset asks for it: the plugins of decoders
// other than JSON_Decoder. What analysisd keeps on disk for if_fts and check_diff is kept in the
// Engine.
package analysisd
