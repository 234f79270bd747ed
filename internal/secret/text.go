// Package secret holds what must never be seen: tokens and keys, read from files that nobody else can read. It may
// import the standard library only. It must never print, log or marshal what it holds: only Reveal gives it away, so
// that one search for Reveal finds every place where a secret leaves.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
)

// redacted is all that any printing or marshalling of a Text shows.
const redacted = "[redacted]"

// Text is a secret. Its zero value holds nothing. Texts are compared with Equal.
type Text struct {
	// A function, because fmt prints unexported fields of other structs without asking their methods, and follows
	// pointers under some verbs: of a function it can print no more than its address.
	held func() []byte
}

// New makes a Text of a copy of value.
func New(value []byte) Text {
	kept := append([]byte(nil), value...)
	return Text{held: func() []byte { return kept }}
}

// Reveal gives a copy of the secret's bytes; nil for the zero Text.
func (t Text) Reveal() []byte {
	return append([]byte(nil), t.bytes()...)
}

// Empty reports whether there is nothing to reveal.
func (t Text) Empty() bool { return len(t.bytes()) == 0 }

// Equal compares two secrets in a time that depends on their lengths only.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare(t.bytes(), other.bytes()) == 1
}

func (t Text) bytes() []byte {
	if t.held == nil {
		return nil
	}
	return t.held()
}

// String does not reveal the secret.
func (t Text) String() string { return redacted }

// Format does not reveal the secret, whatever the verb (%v, %+v, %#v, %s, %q, %x …).
func (t Text) Format(s fmt.State, _ rune) {
	// fmt.State's writer keeps what it is given in memory and cannot fail.
	_, _ = io.WriteString(s, redacted)
}

// MarshalText serves JSON, YAML, XML and every other encoder that knows encoding.TextMarshaler, and does not reveal
// the secret. There is no UnmarshalText: secrets come from files, not from documents.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
