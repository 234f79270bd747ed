package analysisd

import (
	"slices"
	"strings"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osxml"
)

// technique is the id of an ATT&CK technique in a rule.
type technique string

// tacticPair is a <tacticID> with its <techniqueID>.
type tacticPair struct{ tactic, technique string }

// mitreDraft collects the <mitre> elements of a rule. The two forms exclude each other: the one
// with tactics wins.
type mitreDraft struct {
	techniques  []technique
	pairs       []tacticPair
	old, paired bool
}

func (l *loader) ruleMitre(d *ruleDraft, e *osxml.Element) {
	if len(e.Children) == 0 {
		l.warn("Empty Mitre information for rule '%d'", d.id)
		return
	}
	var ids, tactics, techniques []string
	failed := false
	for _, c := range e.Children {
		var to *[]string
		what := "Technique"
		switch strings.ToLower(c.Name) {
		case "id":
			to = &ids
		case "tacticid":
			to, what = &tactics, "Tactic"
		case "techniqueid":
			to = &techniques
		default:
			_ = l.refuse("Invalid option '%s' for rule '%d'", c.Name, d.id)
			failed = true
			continue
		}
		if c.Content == "" {
			l.warn("No Mitre %s ID found for rule '%d'", what, d.id)
			failed = true
			continue
		}
		*to = append(*to, c.Content)
	}
	if failed || !l.mitreForm(d, ids, tactics, techniques) {
		return
	}
	for _, id := range ids {
		if !slices.Contains(d.mitre.techniques, technique(id)) {
			d.mitre.techniques = append(d.mitre.techniques, technique(id))
		}
	}
	if len(tactics) > 0 && len(techniques) > 0 {
		pair := tacticPair{tactics[0], techniques[0]}
		if !slices.Contains(d.mitre.pairs, pair) {
			d.mitre.pairs = append(d.mitre.pairs, pair)
		}
	}
}

// mitreForm decides whether a <mitre> element counts.
func (l *loader) mitreForm(d *ruleDraft, ids, tactics, techniques []string) bool {
	m := &d.mitre
	switch {
	case len(ids) > 0 && (len(tactics) > 0 || len(techniques) > 0):
		l.warn("Rule '%d' combined old and new Mitre formats in the same block. The Mitre block will be discarded.", d.id)
		return false
	case len(ids) > 0 && m.paired:
		l.warn("Rule '%d' combined old and new Mitre formats, the old Mitre Technique format will be discarded.", d.id)
		m.techniques = nil
		return false
	case len(ids) > 0:
		m.old = true
		return true
	case len(tactics) > 1 || len(techniques) > 1:
		if len(tactics) == 0 || len(techniques) == 0 {
			break
		}
		l.warn("In rule '%d' is not allowed to join more than one Mitre techniqueID or tacticID in the same block. The Mitre block will be discarded.", d.id)
		return false
	}
	switch {
	case len(tactics) == 0 && len(techniques) > 0:
		l.warn("Mitre tacticID should be defined in rule '%d'", d.id)
		return false
	case len(techniques) == 0 && len(tactics) > 0:
		l.warn("Mitre techniqueID should be defined in rule '%d'", d.id)
		return false
	}
	m.paired = true
	if m.old {
		l.warn("Rule '%d' combined old and new Mitre formats, the old Mitre Technique format will be discarded.", d.id)
		m.techniques, m.old = nil, false
	}
	return true
}

// mitre makes the "mitre" of an alert, or nil. What the table does not know is logged.
func (e *Engine) mitre(r *rule) *cjson.Value {
	var ids, tactics, names []string
	add := func(to *[]string, s string) {
		if !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	switch {
	case len(r.tactics) > 0:
		for _, pair := range r.tactics {
			known, ok := attackTechnique(pair.technique)
			switch {
			case !ok:
				e.log("WARNING: Mitre Technique ID '%s' not found in database.", pair.technique)
			case !slices.Contains(known.tactics, pair.tactic):
				e.log("WARNING: Mitre Tactic ID '%s' is not a tactic of '%s'.", pair.tactic, pair.technique)
			default:
				add(&tactics, tacticName(pair.tactic))
				if !slices.Contains(names, known.name) {
					ids, names = append(ids, pair.technique), append(names, known.name)
				}
			}
		}
	case len(r.attack) > 0:
		for _, id := range r.attack {
			ids = append(ids, string(id))
			known, ok := attackTechnique(string(id))
			if !ok {
				e.log("WARNING: Mitre Technique ID '%s' not found in database.", id)
				continue
			}
			for _, tactic := range known.tactics {
				add(&tactics, tacticName(tactic))
			}
			names = append(names, known.name)
		}
	}
	if len(tactics) == 0 {
		return nil
	}
	v := newObject()
	v.Add("id", texts(ids))
	v.Add("tactic", texts(tactics))
	v.Add("technique", texts(names))
	return v
}

func texts(list []string) *cjson.Value {
	v := &cjson.Value{Kind: cjson.Array}
	for _, s := range list {
		v.Items = append(v.Items, cjson.Text(s))
	}
	return v
}

// KnowsTechnique reports whether the lab's part of ATT&CK has a technique.
func KnowsTechnique(id string) bool {
	_, ok := attackTechnique(id)
	return ok
}
