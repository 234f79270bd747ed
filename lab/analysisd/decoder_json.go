package analysisd

import (
	"math"
	"strconv"
	"strings"

	"custom-vault/lab/cjson"
)

// jsonStatics are the keys that JSON_Decoder puts into static fields when they stand at the top
// (json_decoder.c). Their case counts.
func jsonStatic(key string) (static, bool) {
	switch key {
	case "srcip":
		return srcIP, true
	case "dstip":
		return dstIP, true
	case "srcport":
		return srcPort, true
	case "dstport":
		return dstPort, true
	case "protocol":
		return protocol, true
	case "action":
		return action, true
	case "srcuser":
		return srcUser, true
	case "dstuser":
		return dstUser, true
	case "id":
		return eventID, true
	case "status":
		return status, true
	case "url":
		return eventURL, true
	case "data":
		return eventData, true
	case "extra_data":
		return extraData, true
	case "systemname":
		return systemName, true
	}
	return 0, false
}

// maxValue is the longest text of an array that becomes a comma separated list, in bytes.
const maxValue = 65536

// decodeJSON is the plugin JSON_Decoder. Offset and options are those of the decoder that took
// the event, which is the parent when the child with the plugin has no prematch.
func (e *Engine) decodeJSON(ev *event) {
	var input text
	switch ev.decoder.pluginOffset {
	case fromStart:
		input = some(ev.logText())
	case afterParent:
		input = ev.afterParent
	case afterPrematch:
		input = ev.afterMatch
	case afterRegex:
		e.log("ERROR: At JSON Decoder: invalid offset value.")
	}
	if !input.has {
		return
	}
	value, _, err := cjson.Parse([]byte(input.s))
	if err != nil {
		return
	}
	e.flatten(ev, value.Members, nil)
}

// flatten turns the members of an object into fields, with dots between the names. The parent is
// the name of the object, which may be empty, and nil at the top.
func (e *Engine) flatten(ev *event, members []cjson.Member, parent *string) {
	for _, m := range members {
		key, item := m.Name, m.Value
		if parent != nil {
			key = *parent + "." + key
		}
		switch item.Kind {
		case cjson.String:
			e.fillJSON(ev, key, item.String)
		case cjson.Number:
			e.fillJSON(ev, key, number(item.Number))
		case cjson.Bool:
			e.fillJSON(ev, key, strconv.FormatBool(item.Bool))
		case cjson.Null:
			if !ev.decoder.discardNull {
				e.fillJSON(ev, key, "null")
			}
		case cjson.Object:
			e.flatten(ev, item.Members, &key)
		case cjson.Array:
			value := item.Pretty()
			if ev.decoder.csvArrays {
				value = csv(item.Items)
			}
			if value != "" {
				e.fillJSON(ev, key, value)
			}
		}
	}
}

// number prints 32 bit integers as such and all else with %f, cut to 63 characters.
func number(f float64) string {
	if i := int32(min(max(f, math.MinInt32), math.MaxInt32)); float64(i) == f {
		return strconv.Itoa(int(i))
	}
	s := strconv.FormatFloat(f, 'f', 6, 64)
	switch s {
	case "+Inf":
		return "inf"
	case "-Inf":
		return "-inf"
	}
	return s[:min(len(s), 63)]
}

// csv joins the scalars of an array with commas. A comma stands behind each but the last item,
// so a nested value at the end leaves one over.
func csv(items []*cjson.Value) string {
	var b strings.Builder
	for i, item := range items {
		part := ""
		switch item.Kind {
		case cjson.String:
			part = item.String
		case cjson.Number:
			part = number(item.Number)
		case cjson.Bool:
			part = strconv.FormatBool(item.Bool)
		case cjson.Null:
			part = "null"
		case cjson.Array, cjson.Object:
			continue
		}
		if b.Len()+len(part)+1 >= maxValue {
			return ""
		}
		b.WriteString(part)
		if i+1 < len(items) {
			b.WriteByte(',')
		}
	}
	return b.String()
}

func (e *Engine) fillJSON(ev *event, key, value string) {
	if f, ok := jsonStatic(key); ok {
		ev.set(f, value)
		return
	}
	if key == "user" && ev.static[dstUser].s == "" {
		ev.set(dstUser, value)
		return
	}
	if len(ev.fields) >= e.rules.maxFields {
		e.log("ERROR: Too many fields for JSON decoder.")
		return
	}
	ev.fields = append(ev.fields, field{key, value})
}
