package integratord

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"custom-vault/lab/cjson"
	"custom-vault/lab/release"
)

const (
	// commandLimit cuts the command string: 4095 with the end of the string (integrator.c:432).
	commandLimit = 4094
	// redirect is what is left of a shell that is no longer used.
	redirect = " > /dev/null 2>&1"
)

// tempFile is a file to hand over, with the lines of integrator.c that log its making.
type tempFile struct {
	suffix          string
	text            string
	written, failed int
}

// writeTemp writes one file below the temp folder and returns its path, or "" when that failed: the program is started all the same. Like
// fopen("w") it takes mode 0666 less the umask, and follows what lies there already.
func (d *Daemon) writeTemp(name string, t tempFile) string {
	site := func(line int) string { return fmt.Sprintf("integrator.c:%d at OS_IntegratorD()", line) }
	path := filepath.Join(d.cfg.TmpDir, fmt.Sprintf("%s-%d-%d.%s", name, d.cfg.Now().Unix(), int32(rand.Uint32()), t.suffix))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		d.cfg.Log.Debug2(site(t.failed), "File %s couldn't be created.", path)
		return ""
	}
	// fprintf's result is not looked at: on a full disk the program gets a file that is cut off.
	_, _ = f.WriteString(t.text)
	_ = f.Close()
	if c := d.cfg.Credential; c != nil {
		_ = os.Chown(path, int(c.Uid), int(c.Gid)) // the lab's stand-in itself may be root
	}
	d.cfg.Log.Debug2(site(t.written), "File %s was written.", path)
	return path
}

// alertFile is the alert's temp file, in the form that the block asks for.
func alertFile(b *Integration, alert, rule *cjson.Value) tempFile {
	if strings.HasPrefix(b.AlertFormat, "json") {
		return tempFile{suffix: "alert", text: string(alert.Print()) + "\n", written: 293, failed: 284}
	}
	return tempFile{suffix: "alert", text: alertText(b, alert, rule), written: 407, failed: 284}
}

// alertText is an alert as lines of key='value'.
func alertText(b *Integration, alert, rule *cjson.Value) string {
	fullLog := alert.Get("full_log")
	if fullLog != nil {
		// In place, as the daemon does: a later block of the same alert sees it changed.
		fullLog.String = plainLog(fullLog.String, b.maxLog())
	}
	source := alert.Get("data").Get("srcip")
	if source != nil {
		source.String = plainAddress(source.String)
	}
	level := 0
	if v := rule.Get("level"); v != nil {
		level = int(v.Number)
	}
	return fmt.Sprintf("alertdate='%s'\nalertlocation='%s'\nruleid='%s'\nalertlevel='%d'\nruledescription='%s'\nalertlog='%s'\nsrcip='%s'",
		alert.Get("timestamp").Text(), alert.Get("location").Text(), rule.Get("id").Text(), level, rule.Get("description").Text(), fullLog.Text(), source.Text())
}

// plainLog takes out what a shell might act on and cuts at limit, the last three characters being dots.
func plainLog(text string, limit int) string {
	out := []byte(text)
	for i, c := range out {
		switch {
		case strings.IndexByte("'`\"!$", c) >= 0 || c < 32 || c > 122:
			out[i] = ' '
		case c == '\\':
			out[i] = '/'
		case c == ';':
			out[i] = ','
		}
		if i+1 >= limit {
			copy(out[i-2:], "...")
			return string(out[:i+1])
		}
	}
	return string(out)
}

func plainAddress(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c == '\\' || c == '`' || c < 46 || c > 122 {
			out[i] = ' '
		}
	}
	return string(out)
}

// command builds the command string of a release and splits it as the daemon does: at single spaces, up to a number of fields, the last of which
// keeps the rest. Nothing is quoted, so a space in a key or URL shifts all later arguments.
func (d *Daemon) command(b *Integration, alertFile, optionsFile string) (text string, argv []string) {
	debug := ""
	if d.cfg.Log.Debug > 0 {
		debug = "debug"
	}
	fields := []string{"integrations", alertFile, b.APIKey, b.HookURL, debug}
	limit := 5
	if d.cfg.Release.AtLeast(7, 0) {
		fields, limit = append(fields, optionsFile), 7
	}
	if d.cfg.Release.AtLeast(8, 0) {
		fields = append(fields, fmt.Sprint(orDefault(b.Timeout, defaultTimeout)), fmt.Sprint(orDefault(b.Retries, defaultRetries)))
		limit = 9
	}
	text = strings.Join(fields, " ")
	if len(text) > commandLimit {
		text = text[:commandLimit]
	}
	if debug == "" {
		text += redirect
	}
	return text, breakString(text, limit)
}

// breakString is OS_StrBreak with a space: "\ " is a space that does not split.
func breakString(text string, limit int) []string {
	var fields []string
	var field []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == ' ' && len(fields) < limit-1 {
			if n := len(field); n > 0 && field[n-1] == '\\' {
				field[n-1] = ' '
				continue
			}
			fields = append(fields, string(field))
			field = field[:0]
			continue
		}
		field = append(field, c)
	}
	return append(fields, string(field))
}

// sharesAlertFile: before 4.6.0 all blocks that want an alert are handed one file, in the format of the first of them.
func sharesAlertFile(r release.Release) bool { return !r.AtLeast(6, 0) }
