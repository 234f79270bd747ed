package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"custom-vault/internal/sealing"
)

// inputTime is how long execd has to write its line. It writes it at once.
const inputTime = 5 * time.Second

// reporter says how it went.
type reporter struct {
	file    string
	host    string
	plan    string
	started time.Time
	stderr  io.Writer
	failed  bool // a line could not be written
}

func (r *reporter) say(level sealing.Level, node, text string) {
	now := time.Now()
	line := sealing.Line{
		At: now, Host: r.host, Level: level, Text: text, Plan: r.plan, Node: node, Took: now.Sub(r.started),
	}
	if err := sealing.AppendReport(r.file, line); err != nil {
		r.failed = true
		fmt.Fprintf(r.stderr, "vault-seal: %v\nvault-seal: what was to be reported: %s\n", err, line)
	}
}

// respond obeys one line of stdin. Nothing that goes wrong stays unsaid as long as the report file can be written.
func respond(ctx context.Context, configFile string, stdin *os.File, stderr io.Writer) int {
	host, err := os.Hostname()
	if err != nil {
		host = "" // the report has a stand-in for it
	}
	r := &reporter{file: sealing.DefaultReportFile, host: host, plan: sealing.NoPlan, started: time.Now(), stderr: stderr}
	code := obey(ctx, r, configFile, stdin)
	if r.failed && code == exitDone {
		return exitFailed
	}
	return code
}

func obey(ctx context.Context, r *reporter, configFile string, stdin *os.File) int {
	message, messageErr := readMessage(stdin)
	cfg, configErr := sealing.LoadConfig(configFile)
	if configErr == nil {
		r.file = cfg.ReportFile
	}
	if messageErr == nil {
		r.plan = message.Plan
	}
	switch {
	case messageErr != nil:
		r.say(sealing.Error, sealing.NoNode, "nothing was sealed: "+messageErr.Error())
		return exitFailed
	case message.Action == sealing.Undo:
		r.say(sealing.Info, sealing.NoNode, "nothing to do: a seal is not undone by a response that ends")
		return exitDone
	case configErr != nil:
		r.say(sealing.Error, sealing.NoNode, "nothing was sealed: "+configErr.Error())
		return exitConfig
	}
	return once(ctx, r, cfg, message)
}

// once seals unless the same plan was obeyed before. A memory that fails must not keep Vault open: then it is sealed,
// maybe once more, and said.
func once(ctx context.Context, r *reporter, cfg sealing.Config, message sealing.Message) int {
	memory, err := sealing.OpenMemory(cfg.MemoryDir)
	if err != nil {
		return max(seal(ctx, r, cfg, message), r.forgetful(err))
	}
	defer func() { _ = memory.Close() }() // nothing is written through it
	at, obeyed, err := memory.Obeyed(message.Plan)
	if obeyed {
		r.say(sealing.Info, sealing.NoNode, "nothing to do: this plan was obeyed before, at "+at.UTC().Format(time.RFC3339))
		return exitDone
	}
	code := seal(ctx, r, cfg, message)
	if err == nil && code == exitDone {
		err = memory.Remember(message.Plan)
	}
	return max(code, r.forgetful(err))
}

// forgetful says that an order may be obeyed twice.
func (r *reporter) forgetful(err error) int {
	if err == nil {
		return exitDone
	}
	r.say(sealing.Error, sealing.NoNode, "the same order would be obeyed again: "+err.Error())
	return exitFailed
}

func readMessage(stdin *os.File) (sealing.Message, error) {
	line, err := sealing.ReadLine(stdin, inputTime)
	if err != nil {
		return sealing.Message{}, err
	}
	return sealing.ParseMessage(line)
}

func seal(ctx context.Context, r *reporter, cfg sealing.Config, message sealing.Message) int {
	var sealed, misconfigured int
	sealing.Seal(ctx, cfg, func(o sealing.Outcome) {
		if o.State != sealing.NotSealed {
			sealed++
		}
		if o.Misconfigured {
			misconfigured++
		}
		level, text := o.Report()
		if message.Ignored > 0 {
			text += fmt.Sprintf(" (arguments ignored: %d)", message.Ignored)
		}
		r.say(level, o.Node, text)
	})
	switch {
	case sealed == len(cfg.Nodes):
		return exitDone
	case sealed > 0:
		return exitPartly
	case misconfigured > 0:
		return exitConfig
	}
	return exitFailed
}
