package alert

import "testing"

func TestOnlyALoginIsALogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, mount, kind, operation string
		want                         bool
	}{
		{"auth/userpass/login/bob", "auth/userpass/", "userpass", "update", true},
		{"auth/approle/login", "auth/approle/", "approle", "update", true},
		{"auth/login/login/bob", "auth/login/", "ldap", "update", true},
		{"auth/team/ldap/login/bob", "auth/team/ldap/", "ldap", "update", true},
		{"auth/userpass/users/login", "auth/userpass/", "userpass", "update", false},
		{"auth/approle/role/login/secret-id", "auth/approle/", "approle", "update", false},
		{"auth/login/users/bob", "auth/login/", "userpass", "update", false},
		{"auth/userpass/loginx", "auth/userpass/", "userpass", "update", false},
		{"auth/userpass/login/bob", "auth/userpass/", "userpass", "read", false},
		{"auth/token/login", "auth/token/", "token", "update", false},
		{"auth/userpass/login/bob", "", "", "update", true}, // as Vault wrote it in 2020
		{"auth/approle/login", "", "", "update", true},
		{"auth/userpass/users/login", "", "", "update", false},
		{"auth/token/login", "", "", "update", false},
		{"secret/login", "", "", "update", false},
		{"sys/mfa/validate", "sys/", "system", "update", true},
	} {
		r := &Record{Path: c.path, MountPoint: c.mount, MountType: c.kind, MountClass: "auth", Operation: c.operation}
		if got := r.Login(); got != c.want {
			t.Errorf("%s %s on %s: Login() = %v", c.operation, c.path, c.mount, got)
		}
	}
}

func TestMakerOfAUserCalledLoginIsTheActor(t *testing.T) {
	t.Parallel()
	r := &Record{Type: "request", Path: "auth/userpass/users/login", MountPoint: "auth/userpass/", MountType: "userpass", MountClass: "auth",
		Operation: "update", HasAuth: true, Auth: Auth{Accessor: "mallory", Policies: []string{"admin"}}}
	if actor := r.Actor(); actor.Acting != ActingToken || actor.Accessor != "mallory" {
		t.Errorf("Actor() = %+v", actor)
	}
}

func TestATokenThatIsSentAlongIsNotTheOneLoggedIn(t *testing.T) {
	t.Parallel()
	login := func(kind string, change func(*Record)) *Record {
		r := &Record{Type: kind, Path: "auth/userpass/login/carol", MountPoint: "auth/userpass/", MountType: "userpass", MountClass: "auth",
			Operation: "update", ClientTokenAccessor: "bobs", HasAuth: true, Auth: Auth{Accessor: "bobs", DisplayName: "userpass-bob", Policies: []string{"default"}}}
		change(r)
		return r
	}
	for _, c := range []struct {
		name   string
		record *Record
		want   Actor
	}{
		{"asked for", login("request", func(*Record) {}), Actor{Acting: ActingLogin}},
		{"refused", login("response", func(r *Record) { r.Response.Failed = true }), Actor{Acting: ActingLogin}},
		{"half done: a second factor is wanted", login("response", func(*Record) {}), Actor{Acting: ActingLogin}},
		{"granted", login("response", func(r *Record) { r.Auth.Accessor = "carols" }), Actor{Acting: ActingLoggedIn, Accessor: "carols"}},
		{"granted, its type lost in a flood", login("", func(r *Record) { r.Auth.Accessor = "carols" }), Actor{Acting: ActingLoggedIn, Accessor: "carols"}},
	} {
		if got := c.record.Actor(); got != c.want {
			t.Errorf("%s: %+v, wanted %+v", c.name, got, c.want)
		}
	}
}
