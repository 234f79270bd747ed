// Command custom-vault is the program that wazuh-integratord runs once for every alert of group vault. It
// adds the alert's line to this hour's journal file and exits: 0 when the line is on the disk, 1
// when it is not, with one line on stderr that says why and what to do.
//
// It may import internal/journal and the standard library, as little of it as possible, since
// integratord starts it anew for each alert and waits for it, one alert after the other, without
// any time limit of its own (os_integrator/integrator.c:447-453). For the same reason it must never
// open a socket, start a process, or wait for the daemon. It knows no configuration: the journal
// is found from where the program itself lies, <Wazuh's folder>/integrations/custom-vault.
package main

import (
	"errors"
	"io"
	"os"
	"path"
	"syscall"
	"time"

	"custom-vault/internal/journal"
)

// journalFolder is where the journal lies, seen from the program's own folder.
const journalFolder = "../queue/custom-vault/journal"

func main() {
	os.Exit(run(os.Args, os.Executable, time.Now(), stderr{}))
}

// stderr is the program's output, written to directly: os.Stderr ends the program by a signal, and without the exit code
// that says why, when nobody reads the pipe any more.
type stderr struct{}

func (stderr) Write(p []byte) (int, error) { return syscall.Write(2, p) }

func run(args []string, executable func() (string, error), now time.Time, stderr io.Writer) int {
	if err := handOver(args, executable, now); err != nil {
		// integratord puts the last line of a failed program's output into ossec.log. When even
		// stderr cannot be written, the exit code still tells.
		_, _ = io.WriteString(stderr, "custom-vault: "+oneLine(err.Error())+"\n")
		return 1
	}
	return 0
}

// handOver appends the alert that integratord's arguments name to the journal.
//
// Of the arguments only the first is needed, and it is the same in every version: the alert file,
// or "" when integratord could not make one. What follows differs (os_integrator/integrator.c,
// OS_StrBreak's limit: 5 parts until 4.6, 7 in 4.7, 9 since 4.8): api key, hook url, "debug", options
// file, timeout, retries and, as one argument, "> /dev/null 2>&1". argv[0] is "integrations" in all.
func handOver(args []string, executable func() (string, error), now time.Time) error {
	if len(args) < 2 || args[1] == "" {
		return errors.New("no alert file in the first argument: wazuh-integratord could not make one; see whether /tmp is full or not writable")
	}
	line, err := readAlert(args[1], syscall.Geteuid())
	if err != nil {
		return err
	}
	self, err := executable()
	if err != nil {
		return errors.New("find the program's own path, from which the journal is found: " + err.Error() + "; mount /proc")
	}
	return journal.Append(path.Join(path.Dir(self), journalFolder), line, now)
}

// oneLine keeps whatever a message quotes, file names from the command line for one, from making
// more than one line, or anything else that acts on a terminal: what is not printable ASCII goes.
func oneLine(message string) string {
	text := []byte(message)
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = ' '
		}
	}
	return string(text)
}
