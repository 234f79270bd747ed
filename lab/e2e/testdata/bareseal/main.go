// Command bareseal is the yardstick of vault-seal's benchmark: the least that a Go program can do to seal a Vault and
// see that it is sealed, one PUT and one GET. It checks nothing that can be left out.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	address, caFile, tokenFile := os.Args[1], os.Args[2], os.Args[3]
	ca, err := os.ReadFile(caFile)
	fail(err)
	token, err := os.ReadFile(tokenFile)
	fail(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}

	request, err := http.NewRequest(http.MethodPut, address+"/v1/sys/seal", nil)
	fail(err)
	request.Header.Set("X-Vault-Token", string(token[:len(token)-1]))
	response, err := client.Do(request)
	fail(err)
	fail(response.Body.Close())

	response, err = client.Get(address + "/v1/sys/seal-status")
	fail(err)
	var status struct{ Sealed bool }
	fail(json.NewDecoder(response.Body).Decode(&status))
	if !status.Sealed {
		panic("not sealed")
	}
}

func fail(err error) {
	if err != nil {
		panic(err)
	}
}
