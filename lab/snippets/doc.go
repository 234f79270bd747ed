// Package snippets checks what the project gives people to paste into Wazuh: the folder
// ossec-snippets. It reads decoders, rules, configuration blocks and tests as Wazuh does, finds
// what analysisd would refuse, overlook or misread, and runs the tests (Wazuh's own ini format)
// and whole audit logs through the lab's engine.
//
// It imports the lab's analysisd and osxml and the standard library, writes nothing, and must
// never know a rule by its id: what is expected of a rule stands in the tests beside it.
package snippets
