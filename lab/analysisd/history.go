package analysisd

// ruleState is what an engine remembers of a rule.
type ruleState struct {
	fired   int
	ignored int64 // when <rule ignore> began to count, in seconds of the epoch; 0 for never
	// events that ended here, oldest first, if a composite counts them
	events []*event
	// events of the rules that a composite with if_matched_group counts
	group []*event
}

// maxShown is how many earlier events an alert shows at most, in previous_output.
const maxShown = 11

// search looks for the earlier events that a composite needs, from the newest on, and marks the
// newest of them as used up (Search_LastSids, Search_LastGroups, Search_LastEvents).
func (e *Engine) search(ev *event, r *rule) bool {
	var memory []*event
	switch r.search {
	case searchSID:
		if r.source == nil {
			e.log("ERROR: No sid search.")
			return false
		}
		memory = e.states[r.source.index].events
	case searchGroup:
		memory = e.states[r.index].group
	case searchAll:
		memory = e.memory
	case noSearch:
	}
	var first *event
	now, found := ev.at.Unix(), 0
	for i := len(memory) - 1; i >= 0; i-- {
		old := memory[i]
		if now-old.at.Unix() > int64(r.timeframe) {
			return false
		}
		if !r.counts(old, ev) {
			continue
		}
		// A rule of the same or a higher level has used up this one and all before it.
		if old.matched >= r.level {
			return false
		}
		// What a composite above this one has put there stays. A search through all events
		// does not show the one that completes it.
		if found < maxShown && found >= len(ev.lastEvents) && (r.search != searchAll || found < r.frequency) {
			ev.lastEvents = append(ev.lastEvents, old.fullLog)
		}
		if found < r.frequency {
			found++
			if first == nil {
				first = old
			}
			continue
		}
		ev.matched = r.level
		if first != nil {
			first.matched = r.level
		}
		return true
	}
	return false
}

// counts reports whether an earlier event counts for a composite that another has reached.
func (r *rule) counts(old, ev *event) bool {
	if !r.global && old.agentID != ev.agentID {
		return false
	}
	if r.search == searchAll {
		if old.decoder.category != ev.decoder.category || r.matchedRegex != nil && !r.matchedRegex.MatchString(old.logText()) {
			return false
		}
	}
	if len(r.sameFields) > 0 && !r.sameDynamic(old, ev) {
		return false
	}
	if len(r.differentKeys) > 0 && !r.differentDynamic(old, ev) {
		return false
	}
	for f := srcIP; f <= location; f++ {
		a, b := old.static[f], ev.static[f]
		equal := a.has && b.has && a.s == b.s
		if r.same.has(f) && !equal || r.different.has(f) && equal {
			return false
		}
	}
	return true
}

// sameDynamic wants every field present and equal in both events.
func (r *rule) sameDynamic(old, ev *event) bool {
	for _, name := range r.sameFields {
		mine, ok := ev.find(name)
		if !ok {
			return false
		}
		theirs, ok := old.find(name)
		if !ok || mine != theirs {
			return false
		}
	}
	return true
}

// differentDynamic wants no field equal in both events; an absent one is different, unless
// neither event has any dynamic field.
func (r *rule) differentDynamic(old, ev *event) bool {
	if len(old.fields) == 0 && len(ev.fields) == 0 {
		return false
	}
	for _, name := range r.differentKeys {
		mine, ok := ev.find(name)
		if !ok {
			continue
		}
		if theirs, ok := old.find(name); ok && mine == theirs {
			return false
		}
	}
	return true
}

// remember keeps an event that has fired a rule. When the memory is full, at least ten of the
// oldest go, and those older than the highest frequency of any rule, taken for seconds: a slip
// of the C code that makes busy managers forget early (eventinfo_list.c).
func (e *Engine) remember(ev *event) {
	r := ev.rule
	if r.remembers {
		state := &e.states[r.index]
		state.events = append(state.events, ev)
	} else {
		for _, composite := range r.rememberers {
			state := &e.states[composite.index]
			state.group = append(state.group, ev)
		}
	}
	e.memory = append(e.memory, ev)
	if len(e.memory) <= e.opt.MemorySize {
		return
	}
	for i := 0; len(e.memory) > 1; i++ {
		if i >= 10 && ev.at.Unix()-e.memory[0].at.Unix() <= int64(e.rules.maxFrequency) {
			return
		}
		e.forget(e.memory[0])
		e.memory[0] = nil
		e.memory = e.memory[1:]
	}
}

// forget takes the oldest event out of the memories of rules, where it stands in front as well.
func (e *Engine) forget(ev *event) {
	r := ev.rule
	drop := func(list *[]*event) {
		if len(*list) > 0 && (*list)[0] == ev {
			(*list)[0] = nil
			*list = (*list)[1:]
		}
	}
	if r.remembers {
		drop(&e.states[r.index].events)
		return
	}
	for _, composite := range r.rememberers {
		drop(&e.states[composite.index].group)
	}
}
