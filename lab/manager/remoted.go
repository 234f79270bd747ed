package manager

import (
	"errors"
	"net"
	"sync"
	"time"
)

// remoted holds the connection to analysisd's queue over which agents' events go.
type remoted struct {
	path  string
	ended chan struct{} // closed when the manager goes down
	mu    sync.Mutex
	conn  *net.UnixConn
}

const (
	// remotedTimeout bounds how long one attempt to send waits for room on the queue.
	remotedTimeout = 10 * time.Second
	// remotedRetry is between two attempts while analysisd is down; the real one waits for seconds.
	remotedRetry = 50 * time.Millisecond
)

// forward puts an agent's event on analysisd's queue. While analysisd is down it waits, and the agent with it, for as long as that takes: nothing of
// an agent is lost (remoted/secure.c, HandleSecureMessage).
func (m *Manager) forward(frame []byte) {
	err := m.remoted.send(frame)
	if err == nil {
		return
	}
	log := m.logger("wazuh-remoted")
	log.Error("secure.c:700 at HandleSecureMessage()", "(1210): Queue '%s' not accessible: '%v'", queuePath, err)
	for err != nil {
		select {
		case <-m.remoted.ended:
			return
		case <-time.After(remotedRetry):
			err = m.remoted.send(frame)
		}
	}
	log.Info("secure.c:705 at HandleSecureMessage()", "Successfully reconnected to '%s'", queuePath)
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
