package manager

import (
	"errors"
	"net"
	"sync"
	"time"
)

// remoted holds the connection to analysisd's queue over which agents' events go.
type remoted struct {
	path string
	mu   sync.Mutex
	conn *net.UnixConn
}

// remotedTimeout bounds how long an event waits for room on the queue before it is given up; the real remoted waits without a bound.
const remotedTimeout = 10 * time.Second

// forward puts an agent's event on analysisd's queue. After analysisd was restarted it connects again.
func (m *Manager) forward(frame []byte) {
	if err := m.remoted.send(frame); err != nil {
		m.logger("wazuh-remoted").Error("secure.c:700 at HandleSecureMessage()", "(1210): Queue '%s' not accessible: '%v'", queuePath, err)
	}
}

func (r *remoted) send(frame []byte) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range 2 {
		if r.conn == nil {
			if r.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: r.path, Net: "unixgram"}); err != nil {
				return err
			}
		}
		if err = r.conn.SetWriteDeadline(time.Now().Add(remotedTimeout)); err == nil {
			if _, err = r.conn.Write(frame); err == nil {
				return nil
			}
		}
		err = errors.Join(err, r.conn.Close())
		r.conn = nil
	}
	return err
}

func (r *remoted) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// Event implements serverapi.Fleet.
func (m *Manager) Event(frame []byte) error { return m.remoted.send(frame) }
