package serverapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	tokenIssuer   = "wazuh"
	tokenAudience = "Wazuh API REST"
)

// tokens signs and checks JSON Web Tokens with ES512.
type tokens struct {
	key *ecdsa.PrivateKey
	// since is, by user, the second up to which issued tokens are void: any change to the user's password, roles or policies voids them.
	since map[string]int64
	// allSince voids everybody's.
	allSince int64
}

func newTokens() (*tokens, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key that signs tokens: %w", err)
	}
	return &tokens{key: key, since: make(map[string]int64)}, nil
}

// claims are in the order in which the real API writes them.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	User      string `json:"sub"`
	RunAs     bool   `json:"run_as"`
	Roles     []int  `json:"rbac_roles"`
	Mode      string `json:"rbac_mode"`
}

func (c claims) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.Expires, 0)), nil
}
func (c claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil } //nolint:nilnil // the claim is absent
func (c claims) GetNotBefore() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(c.NotBefore, 0)), nil
}
func (c claims) GetIssuer() (string, error)             { return c.Issuer, nil }
func (c claims) GetSubject() (string, error)            { return c.User, nil }
func (c claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings{c.Audience}, nil }

func (t *tokens) issue(user string, roles []int, now time.Time, life time.Duration) (string, error) {
	text, err := jwt.NewWithClaims(jwt.SigningMethodES512, claims{
		Issuer: tokenIssuer, Audience: tokenAudience, NotBefore: now.Unix(), Expires: now.Add(life).Unix(), User: user, Roles: roles, Mode: "white",
	}).SignedString(t.key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text, nil
}

// errToken is all that a client learns.
var errToken = errors.New("Invalid token") //nolint:staticcheck // the API's own words

func (t *tokens) user(text string, now time.Time) (string, error) {
	var c claims
	_, err := jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return &t.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES512"}), jwt.WithAudience(tokenAudience), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil || c.NotBefore <= t.since[c.User] || c.NotBefore <= t.allSince {
		return "", errToken
	}
	return c.User, nil
}
