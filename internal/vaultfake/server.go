// Package vaultfake is a stand-in for Vault in tests: a TLS server on loopback that answers the calls which the
// product makes as Vault 1.21 does, and misbehaves on demand as no real Vault can be made to. Only tests import it, and
// the oracle that holds the resolver to recordings.
package vaultfake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Certificate says what is wrong with the server's certificate.
type Certificate int

// Kinds of certificates.
const (
	Good Certificate = iota
	Expired
	OtherAuthority // CAPEM is not that of the signer
	OtherName      // only for vault.example
)

// Request is one request as it arrived.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         map[string]any
}

// Server is a fake Vault. Its fields may be read freely; what it knows is changed with its methods.
type Server struct {
	URL   string
	CAPEM []byte

	http    *httptest.Server
	closing chan struct{}

	mu       sync.Mutex
	own      map[string]string         // token → accessor: who may ask
	denied   []string                  // prefixes of paths that nobody may ask for
	tokens   map[string]map[string]any // accessor → data of lookup-accessor
	entities map[string]map[string]any
	groups   map[string]map[string]any
	reach    map[string]map[string][]string // accessor → path → capabilities
	salts    map[string]string              // device → salt
	recorded map[string]map[string]string   // device → value → hash, in place of the salt
	roles    map[string]string              // role id + "/" + secret id → token
	always   map[string]http.HandlerFunc
	next     map[string][]http.HandlerFunc
	held     map[string]chan struct{}
	requests []Request
	ids      []string
	sealed   bool
	standby  bool
}

// Start starts a fake with one valid token for its clients.
func Start(kind Certificate, token, accessor string) (*Server, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	name, notAfter, signer := "", time.Now().Add(time.Hour), ca
	switch kind {
	case Expired:
		notAfter = time.Now().Add(-time.Hour)
	case OtherName:
		name = "vault.example"
	case OtherAuthority:
		if signer, err = newAuthority(); err != nil {
			return nil, err
		}
	}
	certificate, err := signer.issue(name, notAfter)
	if err != nil {
		return nil, err
	}
	s := &Server{
		CAPEM: ca.pem, closing: make(chan struct{}),
		own: map[string]string{token: accessor}, tokens: map[string]map[string]any{},
		entities: map[string]map[string]any{}, groups: map[string]map[string]any{},
		reach: map[string]map[string][]string{}, salts: map[string]string{}, recorded: map[string]map[string]string{}, roles: map[string]string{},
		always: map[string]http.HandlerFunc{}, next: map[string][]http.HandlerFunc{}, held: map[string]chan struct{}{},
	}
	s.http = httptest.NewUnstartedServer(s)
	s.http.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test wants to fail
	s.http.StartTLS()
	s.URL = s.http.URL
	s.tokens[accessor] = map[string]any{
		"accessor": accessor, "display_name": "token-custom-vault", "policies": []string{"wazuh-lookup"}, "ttl": 3600, "period": 3600,
		"creation_time": time.Now().Unix(), "creation_ttl": 3600, "type": "service", "path": "auth/token/create", "orphan": true, "renewable": true,
		"entity_id": "", "explicit_max_ttl": 0, "num_uses": 0, "meta": nil, "expire_time": time.Now().Add(time.Hour).Format(time.RFC3339Nano),
	}
	return s, nil
}

// Close ends the server, and everything that hangs in it.
func (s *Server) Close() {
	close(s.closing)
	s.http.CloseClientConnections()
	s.http.Close()
}

// ServeHTTP answers one request: by the fault that is set for its path, else as Vault would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	body := map[string]any{}
	if content, err := io.ReadAll(io.LimitReader(r.Body, 1<<20)); err == nil && len(content) > 0 {
		if json.Unmarshal(content, &body) != nil {
			fail(w, 500, "malformed JSON")
			return
		}
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{Method: r.Method, Path: path, Header: r.Header.Clone(), Body: body})
	fault, held := s.nextFault(path), s.held[path]
	s.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	if held != nil {
		select {
		case <-held:
		case <-s.closing:
			return
		}
	}
	s.answer(w, r, path, body)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, path string, body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case path == "sys/seal-status":
		plain(w, map[string]any{"type": "shamir", "initialized": true, "sealed": s.sealed, "t": 2, "n": 3, "progress": 0, "version": "1.21.4", "storage_type": "inmem"})
		return
	case path == "sys/leader":
		plain(w, map[string]any{"ha_enabled": s.standby, "is_self": !s.standby && !s.sealed, "leader_address": ""})
		return
	case path == "sys/seal" && s.sealed:
		w.WriteHeader(http.StatusNoContent) // to anyone, whatever the token
		return
	case path == "sys/seal" && s.standby:
		fail(w, 500, "vault cannot seal when in standby mode; please restart instead")
		return
	case s.sealed:
		fail(w, 503, "Vault is sealed")
		return
	case s.standby:
		fail(w, 500, "local node not active but active cluster node not found")
		return
	case path == "auth/approle/login":
		s.login(w, body)
		return
	}
	token := r.Header.Get("X-Vault-Token")
	accessor, known := s.own[token]
	if !known && token != "" {
		fail(w, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
		return
	}
	if !known || slices.ContainsFunc(s.denied, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
		fail(w, 403, "1 error occurred:\n\t* permission denied\n\n")
		return
	}
	s.route(w, r, path, body, accessor)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, path string, body map[string]any, own string) {
	asked, _ := body["accessor"].(string)
	switch {
	case path == "auth/token/lookup-accessor":
		if asked == "" {
			fail(w, 400, "missing accessor")
			return
		}
		s.reply(w, s.tokens[asked], 400, "1 error occurred:\n\t* invalid accessor\n\n")
	case path == "auth/token/lookup-self":
		s.reply(w, s.tokens[own], 403, "1 error occurred:\n\t* permission denied\n\n")
	case path == "auth/token/renew-self":
		s.send(w, map[string]any{"auth": map[string]any{"client_token": r.Header.Get("X-Vault-Token"), "accessor": own, "renewable": true, "lease_duration": s.tokens[own]["period"]}})
	case strings.HasPrefix(path, "identity/entity/id/"):
		s.reply(w, s.entities[strings.TrimPrefix(path, "identity/entity/id/")], 404)
	case strings.HasPrefix(path, "identity/group/id/"):
		s.reply(w, s.groups[strings.TrimPrefix(path, "identity/group/id/")], 404)
	case path == "sys/capabilities-accessor":
		s.capabilities(w, asked, body["paths"])
	case strings.TrimSuffix(path, "/") == "auth/token/accessors" && r.URL.Query().Get("list") == "true":
		keys := make([]string, 0, len(s.tokens))
		for key := range s.tokens {
			keys = append(keys, key)
		}
		s.reply(w, map[string]any{"keys": keys}, 0)
	case strings.HasPrefix(path, "sys/audit-hash/"):
		s.auditHash(w, strings.TrimPrefix(path, "sys/audit-hash/"), body)
	case path == "sys/seal":
		s.sealed = true
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, 404)
	}
}

func (s *Server) capabilities(w http.ResponseWriter, accessor string, paths any) {
	list, _ := paths.([]any)
	token, known := s.tokens[accessor]
	switch {
	case len(list) == 0:
		fail(w, 400, "paths must be supplied")
		return
	case !known:
		fail(w, 400, "1 error occurred:\n\t* invalid accessor\n\n")
		return
	}
	if entity, ok := s.entities[fmt.Sprint(token["entity_id"])]; ok && entity["disabled"] == true {
		fail(w, 400, "1 error occurred:\n\t* invalid token\n\n")
		return
	}
	data := map[string]any{}
	for _, path := range list {
		found := s.reach[accessor][fmt.Sprint(path)]
		if found == nil {
			found = []string{"deny"}
		}
		data[fmt.Sprint(path)] = found
	}
	s.reply(w, data, 0)
}

func (s *Server) auditHash(w http.ResponseWriter, device string, body map[string]any) {
	salt, ok := s.salts[strings.TrimSuffix(device, "/")]
	if !ok {
		fail(w, 400, fmt.Sprintf("unknown audit backend %q", device+"/"))
		return
	}
	input := fmt.Sprint(body["input"])
	if recorded, ok := s.recorded[strings.TrimSuffix(device, "/")][input]; ok {
		s.reply(w, map[string]any{"hash": recorded}, 0)
		return
	}
	s.reply(w, map[string]any{"hash": hash(salt, input)}, 0)
}

func (s *Server) login(w http.ResponseWriter, body map[string]any) {
	token, ok := s.roles[fmt.Sprint(body["role_id"])+"/"+fmt.Sprint(body["secret_id"])]
	if !ok {
		fail(w, 400, "invalid role or secret ID")
		return
	}
	accessor := s.own[token]
	s.send(w, map[string]any{"auth": map[string]any{"client_token": token, "accessor": accessor, "policies": []string{"wazuh-lookup"},
		"lease_duration": s.tokens[accessor]["period"], "renewable": true, "entity_id": s.tokens[accessor]["entity_id"], "token_type": "service"}})
}

// reply sends data, or the failure if there is none.
func (s *Server) reply(w http.ResponseWriter, data map[string]any, status int, errors ...string) {
	if data == nil {
		fail(w, status, errors...)
		return
	}
	s.send(w, map[string]any{"data": data})
}

// send adds Vault's envelope.
func (s *Server) send(w http.ResponseWriter, answer map[string]any) {
	id := newID()
	s.ids = append(s.ids, id)
	answer["request_id"] = id
	for key, value := range map[string]any{"lease_id": "", "renewable": false, "lease_duration": 0, "wrap_info": nil, "warnings": nil} {
		answer[key] = value
	}
	plain(w, answer)
}

func plain(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone: its affair
}

func fail(w http.ResponseWriter, status int, errors ...string) {
	if errors == nil {
		errors = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errors})
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func hash(salt, value string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(value))
	return "hmac-sha256:" + hex.EncodeToString(mac.Sum(nil))
}
