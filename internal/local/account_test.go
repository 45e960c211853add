package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// stranger is an account that owns nothing here and is in no group of ours.
var stranger = account{name: "stranger", uid: 4_000_000_001, gid: 4_000_000_001, dropped: true}

// nested makes a/b/c under a passable directory.
func nested(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("", "paybuf-test-account-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(root, "a", "b")
	for _, made := range []string{root, filepath.Dir(dir), dir} {
		if err := mkdirExact(made, 0o711); err != nil {
			t.Fatal(err)
		}
		chmod(t, made, 0o711)
	}
	return dir
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestObstacle_isTheFirstDirectoryThatMayNotBePassed(t *testing.T) {
	dir := nested(t)
	parent := filepath.Dir(dir)
	check := func(who account, want string) {
		t.Helper()
		if got, err := who.obstacle(dir); got != want || err != nil {
			t.Errorf("%s meets %q (%v), want %q", who.name, got, err, want)
		}
	}
	check(stranger, "")
	chmod(t, dir, 0o700)
	check(stranger, dir)
	chmod(t, parent, 0o700)
	check(stranger, parent)

	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner in ", info)
	}
	self := account{name: "self", uid: owner.Uid, gid: stranger.gid, dropped: true}
	group := account{name: "group", uid: stranger.uid, gid: owner.Gid, dropped: true}
	check(self, "")
	check(group, parent)
	chmod(t, parent, 0o710)
	check(group, dir)
	chmod(t, dir, 0o610) // one's own class decides, even if others may
	check(self, dir)
	check(account{name: "nobody lent"}, "")
}

func TestObstacle_needsTheDirectory(t *testing.T) {
	if _, err := stranger.obstacle(filepath.Join(nested(t), "missing")); err == nil {
		t.Error("no error")
	}
}

func TestServerAccount_isNeverRoot(t *testing.T) {
	who, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Geteuid() == 0; who.dropped != root || (who.credential() != nil) != root {
		t.Errorf("running as %d, the account is %+v", os.Geteuid(), who)
	}
	if cred := who.credential(); cred != nil && cred.Uid == 0 {
		t.Error("the programs would run as root")
	}
	if _, err := lookupAccount("no such user"); err == nil {
		t.Error("found a user that does not exist")
	}
}

func TestLocateCluster_staysWhereItWasDecided(t *testing.T) {
	dir := nested(t)
	link := filepath.Join(dir, clusterName)
	got, err := locateCluster(dir, stranger)
	if err != nil || got != link {
		t.Fatalf("a reachable directory: %s, %v", got, err)
	}

	// The cluster exists, then the directory is closed: not a second cluster.
	if err := os.Mkdir(link, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o700)
	if _, err := locateCluster(dir, stranger); err == nil || !strings.Contains(err.Error(), "chmod o+x") {
		t.Errorf("the error is %v", err)
	}

	// A symlink is followed, a relative one from where it is.
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(nested(t), "home", "cluster")
	for _, target := range []string{elsewhere, relative(t, dir, elsewhere)} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if got, err := locateCluster(dir, stranger); err != nil || got != elsewhere {
			t.Errorf("a link to %s: %s, %v, want %s", target, got, err, elsewhere)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	path, err := filepath.Rel(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMakeHome_saysWhatIsInTheWay(t *testing.T) {
	dir := nested(t)
	chmod(t, dir, 0o700)
	err := makeHome(filepath.Join(dir, "x", "y"), stranger)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("may not pass %s", dir)) {
		t.Errorf("the error is %v", err)
	}
}
