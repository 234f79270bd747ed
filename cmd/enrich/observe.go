package main

import (
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/publish"
)

// publishLog writes what the publisher tells into the log. A socket that refuses is told once, not at each attempt.
type publishLog struct {
	log  logrus.FieldLogger
	away bool
}

func (l *publishLog) Sent(row publish.Row, _ time.Time) {
	if row.Attempts > 0 {
		l.log.WithFields(logrus.Fields{"event_id": row.EventID, "attempts": row.Attempts + 1}).Warn("publish: sent again, since it was not seen in alerts.json")
	}
}

func (l *publishLog) Faulted(row publish.Row, fault publish.Fault) {
	l.log.WithFields(logrus.Fields{"event_id": row.EventID, "fault": fault}).Error("publish: event given up")
}

func (l *publishLog) Away(err *publish.SendError) {
	if !l.away {
		l.log.WithError(err).Error("publish: analysisd does not take events; they wait")
	}
	l.away = true
}

func (l *publishLog) Back() {
	l.away = false
	l.log.Info("publish: analysisd takes events again")
}

func (l *publishLog) OutboxFailed(err error) {
	l.log.WithError(err).Error("publish: the outbox failed; trying again")
}
