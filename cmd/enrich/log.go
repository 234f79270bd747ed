package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"custom-vault/internal/config"
)

// newLog returns the log of the daemon: to stderr, and to the file of the configuration. A file that cannot be
// written is no reason not to guard a Vault: it is said, and stderr remains. Close ends the file.
func newLog(cfg config.Config, stderr io.Writer) (log *logrus.Logger, closeLog func() error) {
	log = logrus.New()
	log.SetOutput(stderr)
	log.SetLevel(levels[cfg.Log.Level])
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	if cfg.Log.Format == "json" {
		log.SetFormatter(new(visibleFormat))
	}
	path := cfg.LogFile()
	if path == "" {
		return log, func() error { return nil }
	}
	file, err := openLog(path)
	if err != nil {
		log.WithError(err).Warn("log: only to stderr")
		return log, func() error { return nil }
	}
	log.SetOutput(io.MultiWriter(stderr, file))
	return log, file.Close
}

var levels = map[string]logrus.Level{
	"error": logrus.ErrorLevel, "warning": logrus.WarnLevel, "info": logrus.InfoLevel, "debug": logrus.DebugLevel,
}

// openLog appends to a regular file only: a FIFO would hold the daemon up, and a symbolic link could point anywhere.
func openLog(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("log file %s is not a regular file", path), err, file.Close())
	}
	return file, nil
}
