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
