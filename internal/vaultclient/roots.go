package vaultclient

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxCAFile bounds a file of certificates, in bytes: Debian's bundle of all public authorities is 220 kB.
const maxCAFile = 4 << 20

// roots reads the authorities to believe. The system's own are never taken: which those are depends on
// SSL_CERT_FILE and SSL_CERT_DIR, and a Vault's certificate usually comes from an authority of the house.
func roots(cfg Config) (*x509.CertPool, error) {
	pem, source := cfg.CAPEM, "CA certificates"
	switch {
	case len(pem) > 0 && cfg.CAFile != "":
		return nil, errors.New("both a CA file and CA certificates are given: one of them is wanted")
	case len(pem) == 0 && cfg.CAFile == "":
		return nil, errors.New("no CA file is given: name the certificate of the authority that signed Vault's")
	case cfg.CAFile != "":
		var err error
		if pem, err = readCAFile(cfg.CAFile); err != nil {
			return nil, err
		}
		source = "CA file " + cfg.CAFile
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in PEM found", source)
	}
	return pool, nil
}

func readCAFile(path string) (pem []byte, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hang us
	if err != nil {
		return nil, fmt.Errorf("open CA file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("CA file %s is not a regular file", path), err)
	}
	pem, err = io.ReadAll(io.LimitReader(file, maxCAFile+1))
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	if len(pem) > maxCAFile {
		return nil, fmt.Errorf("CA file %s is larger than %d bytes", path, maxCAFile)
	}
	return pem, nil
}
