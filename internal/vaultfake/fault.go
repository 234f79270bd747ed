package vaultfake

import (
	"net/http"
	"strings"
)

// Always sets a fault for every request to a path, and for all paths with ""; nil ends it.
func (s *Server) Always(path string, fault http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault == nil {
		delete(s.always, path)
		return
	}
	s.always[path] = fault
}

// Next sets faults for the next requests to a path, one each; after them it is served as ever.
func (s *Server) Next(path string, faults ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[path] = append(s.next[path], faults...)
}

// Hold keeps the requests to a path waiting until release is called, and then has them served as ever.
func (s *Server) Hold(path string) (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[path] = held
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, path)
		close(held)
	}
}

// nextFault gives the fault for a request.
func (s *Server) nextFault(path string) http.HandlerFunc {
	if list := s.next[path]; len(list) > 0 {
		s.next[path] = list[1:]
		return list[0]
	}
	if fault, ok := s.always[path]; ok {
		return fault
	}
	return s.always[""]
}

// Hang answers nothing until the client or the server gives up.
func (s *Server) Hang() http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { s.wait(r) }
}

// HangInBody begins an answer and stops in the middle.
func (s *Server) HangInBody() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		s.wait(r)
	}
}

func (s *Server) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closing:
	}
}

func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"data":{"accessor":`))
	_ = http.NewResponseController(w).Flush()
}

// CutInBody closes the connection within the body.
func CutInBody(w http.ResponseWriter, _ *http.Request) {
	begin(w)
	panic(http.ErrAbortHandler)
}

// Cut closes the connection without an answer.
func Cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Status answers with an error as Vault writes it.
func Status(code int, errors ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fail(w, code, errors...) }
}

// Raw answers with any body.
func Raw(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// Redirect points to another place, as a standby does.
func Redirect(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// Flood answers with valid JSON of about so many bytes, without announcing its length.
func Flood(size int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"request_id":"x","data":{"accessor":"`))
		chunk := []byte(strings.Repeat("a", 64<<10))
		for sent := 0; sent < size; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_, _ = w.Write([]byte(`"}}`))
	}
}
