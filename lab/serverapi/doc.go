// Package serverapi stands in for the Wazuh server API 4.14 on port 55000: TLS, logins and JSON Web Tokens, roles, and the few endpoints that an
// integration needs, with the very texts of success and failure, above all the many answers of HTTP 200 that mean failure.
//
// It may import the standard library, golang-jwt and lab/release. It knows agents through Fleet only, and must never answer better than the real
// one: what the real API says without knowing ("AR command was sent"), it says without knowing.
package serverapi
