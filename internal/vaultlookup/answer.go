package vaultlookup

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"custom-vault/internal/identity"
)

// Bounds on what is taken out of an answer. Vault is believed, but a proxy in its place, or metadata that a token's
// maker chose, must not fill an event or the memory.
const (
	maxText  = 256
	maxList  = 64
	maxPairs = 32
)

// fields reads an answer's data; what is missing or of another type is as if it were not there.
type fields map[string]any

func (f fields) text(key string) string {
	s, _ := f[key].(string)
	return clip(s)
}

func (f fields) yes(key string) bool {
	b, _ := f[key].(bool)
	return b
}

// number takes a JSON number, and a string of digits as well: Vault writes some numbers so.
func (f fields) number(key string) int64 {
	var text string
	switch v := f[key].(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32*int64(8) {
		return 0
	}
	return n
}

func (f fields) seconds(key string) time.Duration {
	return time.Duration(min(f.number(key), int64(math.MaxInt64/time.Second))) * time.Second
}

func (f fields) stamp(key string) time.Time {
	s, _ := f[key].(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 { // JSON has no years above 9999, and zones move them
		return time.Time{}
	}
	return t.UTC()
}

func (f fields) list(key string) []string {
	items, _ := f[key].([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok && s != "" && len(out) < maxList {
			out = append(out, clip(s))
		}
	}
	return out
}

func (f fields) pairs(key string) map[string]string {
	object, _ := f[key].(map[string]any)
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names) // so that a cut list is always the same list
	out := make(map[string]string)
	for _, name := range names {
		if s, ok := object[name].(string); ok && len(out) < maxPairs {
			out[clip(name)] = clip(s)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func clip(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
	if len(s) <= maxText {
		return s
	}
	cut := maxText - len("…")
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}

// tokenOf reads the data of lookup-accessor, and of lookup-self, which has the same fields.
func tokenOf(data fields) identity.Token {
	token := identity.Token{
		Type:           data.text("type"),
		DisplayName:    data.text("display_name"),
		Path:           data.text("path"),
		Expires:        data.stamp("expire_time"),
		TTL:            data.seconds("ttl"),
		ExplicitMaxTTL: data.seconds("explicit_max_ttl"),
		Period:         data.seconds("period"),
		Orphan:         data.yes("orphan"),
		Renewable:      data.yes("renewable"),
		UsesLeft:       int(data.number("num_uses")),
		BoundCIDRs:     data.list("bound_cidrs"),
		Metadata:       data.pairs("meta"),
		State:          identity.StateLive,
	}
	if created := data.number("creation_time"); created > 0 {
		token.Created = time.Unix(created, 0).UTC()
	}
	return token
}

// entityOf reads the data of identity/entity/id. Groups come as ids; their names are asked for one by one.
func entityOf(data fields) *identity.Entity {
	entity := &identity.Entity{
		ID:              data.text("id"),
		Name:            data.text("name"),
		Metadata:        data.pairs("metadata"),
		Disabled:        data.yes("disabled"),
		DirectGroups:    groupsOf(data.list("direct_group_ids")),
		InheritedGroups: groupsOf(data.list("inherited_group_ids")),
		Confirmed:       true,
	}
	aliases, _ := data["aliases"].([]any)
	for _, item := range aliases {
		object, _ := item.(map[string]any)
		alias := fields(object)
		if name := alias.text("name"); name != "" && len(entity.Aliases) < maxList {
			entity.Aliases = append(entity.Aliases, identity.Alias{
				Name: name, Mount: alias.text("mount_path"), MountType: alias.text("mount_type"),
			})
		}
	}
	return entity
}

func groupsOf(ids []string) []identity.Group {
	var groups []identity.Group
	for _, id := range ids {
		groups = append(groups, identity.Group{ID: id})
	}
	return groups
}
