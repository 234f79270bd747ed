package publish

import "context"

// Flush sends what is due now and returns; it is for a command in the foreground, without Run. What the socket
// refuses stays in the outbox, and is the error.
func (p *Publisher) Flush(ctx context.Context) error {
	for {
		n, err := p.batch(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}
