// Package pki is the lab's certificate authority: it issues the server certificates that the
// lab's Vault nodes and its stand-in manager present, including wrong ones (expired, not yet valid,
// foreign authority) that a careful client must refuse. It imports the standard library only. Its
// keys live as long as the test or demo that made them; nothing outside the lab may ever trust them.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// caLifetime and leafLifetime outlast every test and a demo left open over a weekend.
const (
	caLifetime   = 30 * 24 * time.Hour
	leafLifetime = 7 * 24 * time.Hour
)

// backdate covers clocks that differ by a little between containers of one demo.
const backdate = 5 * time.Minute

// CA is a self-signed authority. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// Options say what a certificate is for and when it is valid. The zero value is a certificate for
// loopback: localhost, 127.0.0.1 and ::1, valid from a few minutes ago for a week.
type Options struct {
	// CommonName is shown to people; clients verify the names below.
	CommonName string
	// DNSNames and IPs are the names the server may be reached by. With both empty: loopback.
	DNSNames []string
	IPs      []net.IP
	// NotBefore and NotAfter bound the validity; a zero one takes its default.
	NotBefore, NotAfter time.Time
	// Client asks for a certificate that can also authenticate a client.
	Client bool
}

// NewCA makes an authority of that name. Two authorities of the same name are still strangers: each
// has a key of its own, which is how a test gets a certificate of the wrong authority.
func NewCA(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of authority %q: %w", name, err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-caLifetime), // so that an expired leaf lies within its authority's life
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority %q: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back authority %q: %w", name, err)
	}
	return &CA{cert: cert, key: key, pem: pemBlock("CERTIFICATE", der)}, nil
}

// PEM is the authority's certificate, as a client's CA file holds it.
func (ca *CA) PEM() []byte { return append([]byte(nil), ca.pem...) }

// Pool trusts this authority and no other.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Issue signs a new key's certificate and returns both as PEM (the key as PKCS #8).
func (ca *CA) Issue(o Options) (certPEM, keyPEM []byte, err error) {
	o = o.withDefaults(time.Now())
	if !o.NotAfter.After(o.NotBefore) {
		return nil, nil, fmt.Errorf("issue certificate for %q: its end %s is not after its beginning %s", o.CommonName,
			o.NotAfter.Format(time.RFC3339), o.NotBefore.Format(time.RFC3339))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key for %q: %w", o.CommonName, err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: o.CommonName},
		DNSNames:     o.DNSNames,
		IPAddresses:  o.IPs,
		NotBefore:    o.NotBefore,
		NotAfter:     o.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if o.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate for %q: %w", o.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode key for %q: %w", o.CommonName, err)
	}
	return pemBlock("CERTIFICATE", der), pemBlock("PRIVATE KEY", keyDER), nil
}

// IssueExpired signs a certificate whose validity ended an hour ago; o's own times are ignored.
func (ca *CA) IssueExpired(o Options) (certPEM, keyPEM []byte, err error) {
	o.NotAfter = time.Now().Add(-time.Hour)
	o.NotBefore = o.NotAfter.Add(-24 * time.Hour)
	return ca.Issue(o)
}

// IssueNotYetValid signs a certificate whose validity begins in an hour; o's own times are ignored.
func (ca *CA) IssueNotYetValid(o Options) (certPEM, keyPEM []byte, err error) {
	o.NotBefore = time.Now().Add(time.Hour)
	o.NotAfter = o.NotBefore.Add(24 * time.Hour)
	return ca.Issue(o)
}

// IssueForeign signs o with a new authority that has this one's name and not its key: what an
// impostor on the path can present.
func (ca *CA) IssueForeign(o Options) (certPEM, keyPEM []byte, err error) {
	impostor, err := NewCA(ca.cert.Subject.CommonName)
	if err != nil {
		return nil, nil, err
	}
	return impostor.Issue(o)
}

// ServerConfig issues a certificate for o and wraps it for a TLS server of the lab.
func (ca *CA) ServerConfig(o Options) (*tls.Config, error) {
	certPEM, keyPEM, err := ca.Issue(o)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("pair certificate and key for %q: %w", o.CommonName, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// Files are the paths of what WriteFiles wrote.
type Files struct{ CA, Cert, Key string }

// WriteFiles issues a certificate for o and writes ca.pem, NAME.pem and NAME-key.pem (0600) to dir,
// which is created (0700) if need be.
func (ca *CA) WriteFiles(dir, name string, o Options) (Files, error) {
	certPEM, keyPEM, err := ca.Issue(o)
	if err != nil {
		return Files{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, fmt.Errorf("make folder for certificates: %w", err)
	}
	f := Files{
		CA:   filepath.Join(dir, "ca.pem"),
		Cert: filepath.Join(dir, name+".pem"),
		Key:  filepath.Join(dir, name+"-key.pem"),
	}
	err = errors.Join(
		os.WriteFile(f.CA, ca.pem, 0o644),
		os.WriteFile(f.Cert, certPEM, 0o644),
		os.WriteFile(f.Key, keyPEM, 0o600),
	)
	if err != nil {
		return Files{}, fmt.Errorf("write certificates to %s: %w", dir, err)
	}
	return f, nil
}

func (o Options) withDefaults(now time.Time) Options {
	if len(o.DNSNames) == 0 && len(o.IPs) == 0 {
		o.DNSNames = []string{"localhost"}
		o.IPs = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	if o.CommonName == "" {
		o.CommonName = firstName(o)
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = now.Add(-backdate)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = now.Add(leafLifetime)
	}
	return o
}

func firstName(o Options) string {
	if len(o.DNSNames) > 0 {
		return o.DNSNames[0]
	}
	return o.IPs[0].String()
}

// newSerial draws 127 random bits: RFC 5280 wants at most 20 octets and a positive number.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
