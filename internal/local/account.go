package local

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating-system user that owns the cluster's files and runs
// Postgres' programs. Postgres refuses to run as root, so root lends them a
// lesser one.
type account struct {
	name    string
	uid     uint32
	gid     uint32
	dropped bool // true if it is not the user we run as
}

// serverAccount is ourselves, or for root the user "postgres", else "nobody".
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "uid " + strconv.Itoa(os.Geteuid())}, nil
	}
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		a, err := lookupAccount(name)
		if err == nil {
			return a, nil
		}
		errs = append(errs, err)
	}
	return account{}, fmt.Errorf("find an unprivileged user to run Postgres as: %w", errors.Join(errs...))
}

func lookupAccount(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: uid %q: %w", name, u.Uid, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: gid %q: %w", name, u.Gid, err)
	}
	return account{name: name, uid: uint32(uid), gid: uint32(gid), dropped: true}, nil
}

// credential is what a child process runs as; nil means as we do.
func (a account) credential() *syscall.Credential {
	if !a.dropped {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.dropped {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// obstacle returns the first directory on the way to dir, itself included,
// that the account may not pass, or "". It reads modes and owners only: access
// control lists are not consulted.
func (a account) obstacle(dir string) (string, error) {
	if !a.dropped {
		return "", nil
	}
	for _, step := range ancestors(dir) {
		info, err := os.Stat(step)
		if err != nil {
			return "", err
		}
		if !a.mayPass(info) {
			return step, nil
		}
	}
	return "", nil
}

// ancestors lists dir and its parents, the root first.
func ancestors(dir string) []string {
	if parent := filepath.Dir(dir); parent != dir {
		return append(ancestors(parent), dir)
	}
	return []string{dir}
}

// mayPass applies the execute bit of the one class that the account is in.
func (a account) mayPass(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	shift := 0
	switch {
	case stat.Uid == a.uid:
		shift = 6
	case stat.Gid == a.gid:
		shift = 3
	}
	return info.Mode().Perm()>>shift&1 == 1
}
