package pipeline

import (
	"custom-vault/internal/event"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// collector gathers what a batch leads to, for its one commit.
type collector struct {
	commit store.Commit
	result Result
}

// keepOwn keeps what is our own doing, and says whether the alert is that.
func (c *collector) keepOwn(in Identified) bool {
	switch in.Verdict {
	case screen.Echo:
		// The event row itself says that it was handled: no row among the alerts.
		c.commit.Seen = append(c.commit.Seen, in.Alert.Own.EventID)
		return true
	case screen.Lookup:
		c.commit.Alerts = append(c.commit.Alerts, in.row("own"))
		return true
	}
	return false
}

func (c *collector) keep(d Decided, guards *guardReader) error {
	row, err := d.row()
	if err != nil {
		return err
	}
	c.commit.Alerts = append(c.commit.Alerts, row)
	c.result.Decided = append(c.result.Decided, d)
	if d.Event != nil {
		if err := c.publish(*d.Event); err != nil {
			return err
		}
	}
	intent, ok, err := d.intent(guards.now)
	if err != nil {
		return err
	}
	if ok {
		c.commit.Intents = append(c.commit.Intents, intent)
		guards.planned(d.Cluster)
	}
	return nil
}

func (c *collector) publish(e event.Event) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	c.commit.Events = append(c.commit.Events, store.Event{
		ID: e.ID, AgentID: e.Agent.ID, AgentName: e.Agent.Name, AgentIP: e.Agent.IP, Body: body,
	})
	return nil
}
