package analysisd

import (
	"errors"
	"testing"
)

func TestPredecode(t *testing.T) {
	t.Parallel()
	cases := []struct{ line, timestamp, host, program, log string }{
		{"plain text", "", "", "", "plain text"},
		{"Dec 29 10:00:01 h svc[12]: text", "Dec 29 10:00:01", "h", "svc", "text"},
		{"Dec 29 10:00:01 h svc:text", "Dec 29 10:00:01", "h", "svc", "text"},
		{"Dec 29 10:00:01 h svc[12] text", "Dec 29 10:00:01", "h", "svc", "text"},
		{"Dec 29 10:00:01 h svc[x]: text", "Dec 29 10:00:01", "h", "", "svc[x]: text"},
		{"Dec 29 10:00:01 svc: text", "Dec 29 10:00:01", "", "svc", "text"},
		{"Dec 29 10:00:01 h* svc: text", "Dec 29 10:00:01", "", "", "h* svc: text"},
		{"Dec 29 10:00:01 h svc: [ID 702911 auth.info] text", "Dec 29 10:00:01", "h", "svc", "text"},
		{"Dec 29 10:00:01 h auth|security:info svc[12]: text", "Dec 29 10:00:01", "h", "svc", "text"},
		{"2015 Dec 29 10:00:01 h svc: text", "2015 Dec 29 10:00:01", "h", "svc", "text"},
		{"2007-06-14T15:48:55-04:00 h svc: some text", "2007-06-14T15:48:55-04:00", "h", "svc", "some text"},
		{"2009-05-22T09:36:46.214994-07:00 h svc: text", "2009-05-22T09:36:46.214994-07:00", "h", "svc", "text"},
		{"2015-04-16 21:51:02,805 h svc: text", "2015-04-16 21:51:02,805", "h", "svc", "text"},
		// Of a raw hclog line the first 32 bytes go, the level among them.
		{"2026-02-10T12:34:56.789Z [INFO]  core: vault is unsealed", "2026-02-10T12:34:56.789Z [INFO]", "", "core", "vault is unsealed"},
		{"2026-02-10T12:34:56.789Z [INFO]", "", "", "", "2026-02-10T12:34:56.789Z [INFO]"},
		{"Mon Apr 17 18:27:14 2006 1 64.160.42.130", "Mon Apr 17 18:27:14 2006", "", "", "1 64.160.42.130"},
		{"01/28-09:13:16.240702  [**] text", "01/28-09:13:16.240702", "", "", "[**] text"},
		{"[Fri Feb 11 18:06:35 2004] [warn] text", "Fri Feb 11 18:06:35 2004", "", "", "[warn] text"},
		{"1140804070.368  11623 10.0.0.1 TCP_MISS/200", "1140804070.368 ", "", "", "11623 10.0.0.1 TCP_MISS/200"},
		{"[Time 2006.12.28 15:53:55 UTC] [Sender sshd] [Message refused] [Host h]", "", "h", "sshd", "refused"},
	}
	for _, c := range cases {
		p := newPredecoder(c.line)
		p.run()
		if got := p.text(p.timestamp).s; got != c.timestamp {
			t.Errorf("%s: timestamp %q, want %q", c.line, got, c.timestamp)
		}
		if got := p.text(p.hostname).s; got != c.host {
			t.Errorf("%s: host %q, want %q", c.line, got, c.host)
		}
		if got := p.text(p.program).s; got != c.program {
			t.Errorf("%s: program %q, want %q", c.line, got, c.program)
		}
		if got := cString(string(p.buf), p.log); got != c.log {
			t.Errorf("%s: log %q, want %q", c.line, got, c.log)
		}
	}
}

func TestParseFrame(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in   string
		want Frame
		err  error
	}{
		{"1:a:b", Frame{'1', "a", "b"}, nil},
		{"1;a:b", Frame{'1', "a", "b"}, nil},
		{"1:[001] (n) any->C|:\\x||y:b:c", Frame{'1', `[001] (n) any->C:\x|y`, "b:c"}, nil},
		{"1:a|b:c", Frame{'1', "ab", "c"}, nil},
		{"1:a:b\x00c", Frame{'1', "a", "b"}, nil},
		{"1:x", Frame{}, ErrShort},
		{"1:a|:b", Frame{Queue: '1'}, ErrFormat},
	}
	for _, c := range cases {
		got, err := ParseFrame([]byte(c.in))
		if !errors.Is(err, c.err) || got != c.want {
			t.Errorf("%q: %+v %v, want %+v %v", c.in, got, err, c.want, c.err)
		}
	}
	long := make([]byte, 70000)
	for i := range long {
		long[i] = 'x'
	}
	copy(long, "1:a:")
	if got, err := ParseFrame(long); err != nil || len(got.Log) != maxFrame-4 {
		t.Errorf("70,000 bytes: a log of %d bytes, %v; want %d", len(got.Log), err, maxFrame-4)
	}
}
