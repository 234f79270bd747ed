package serverapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

const (
	eventHeader = "1:API-Webhook:"
	eventsBulk  = 100
	eventBytes  = 65535
)

func errEventSize() failure {
	return failure{1012, "Invalid message to queue: The event is too large to be sent to analysisd (maximum is " + strconv.Itoa(eventBytes) + "B)", ""}
}

// ingest answers POST /events: each string becomes an event of agent 000 with location API-Webhook, whoever sent it.
func (s *Server) ingest(_ context.Context, c *call) answer {
	if !s.permitted(c, "event:ingest") {
		return forbidden("*:*")
	}
	body, _ := c.body.(object)
	v, _ := body.get("events")
	events, _ := v.([]any)
	if len(events) > eventsBulk {
		return problem{status: http.StatusBadRequest, title: "Events bulk size exceeded", detail: "The size of the events bulk is exceeding the limit"}.answer()
	}
	result := &affected{all: "All events were forwarded to analisysd", some: "Some events were forwarded to analisysd",
		none: "No events were forwarded to analisysd"}
	for _, e := range events {
		text, _ := e.(string)
		if len(eventHeader)+len(text) > eventBytes {
			result.fail(errEventSize(), text)
			continue
		}
		if err := s.cfg.Fleet.Event([]byte(eventHeader + text)); err != nil {
			result.fail(failure{1014, "Error trying to send the message: " + err.Error(), ""}, text)
			continue
		}
		result.items = append(result.items, text)
	}
	return ok(result.object(), c.indent())
}

// logtest answers PUT /logtest. Each call is a session of its own: the lab keeps no state behind a token.
func (s *Server) logtest(_ context.Context, c *call) answer {
	if !s.permitted(c, "logtest:run") {
		return forbidden("*:*")
	}
	body, _ := c.body.(object)
	text := func(name string) string {
		v, _ := body.get(name)
		s, _ := v.(string)
		return s
	}
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	token := fmt.Sprintf("%08x", binary.BigEndian.Uint32(id[:]))
	output := s.cfg.Fleet.Logtest(text("event"), text("log_format"), text("location"))
	data := object{{"messages", texts([]string{"INFO: (7202): Session initialized with token '" + token + "'"})}, {"token", token}}
	if json.Valid(output) {
		decoded, err := loads(output)
		if err == nil {
			data = append(data, member{"output", decoded})
		}
	}
	alerted := false
	if o, isObject := data[len(data)-1].value.(object); isObject {
		_, alerted = o.get("rule")
	}
	data = append(data, member{"alert", alerted}, member{"codemsg", integer(0)})
	return ok(object{{"error", integer(0)}, {"data", data}}, c.indent())
}
