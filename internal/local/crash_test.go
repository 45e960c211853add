package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

// ownedPostgres starts a cluster in a process that can be killed.
func ownedPostgres(t *testing.T, what, dir string) (o *owner, pid int, url string) {
	t.Helper()
	o = startOwner(t, what, dir)
	line := o.line(t)
	if _, err := fmt.Sscan(line, &pid, &url); err != nil {
		t.Fatalf("the owner said %q: %v", line, err)
	}
	// Whatever the test leaves running is taken over and stopped.
	t.Cleanup(func() {
		o.kill(t)
		p, err := local.StartPostgres(context.WithoutCancel(t.Context()), fast(dir))
		if err != nil {
			t.Fatal(err)
		}
		stopPostgres(t, p)
	})
	return o, pid, url
}

func TestStartPostgres_recoversFromKill9OfThePostmaster(t *testing.T) {
	dir := localtest.Dir(t)
	p := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	localtest.Query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	kill9(t, p.PID())
	<-p.Exited()
	stopPostgres(t, p)

	again := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	if got := localtest.Query(t, again.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}

// kill9 kills a process that the test started.
func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestStartPostgres_takesOverWhatAKilledProcessLeftRunning(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, url := ownedPostgres(t, ownerPostgres, dir)
	localtest.Query(t, url, "CREATE TABLE kept AS SELECT 42 AS n")
	o.kill(t)

	p := startPostgres(t, fast(dir))
	if p.PID() != pid || p.URL() != url {
		t.Errorf("got process %d at %s, want %d at %s", p.PID(), p.URL(), pid, url)
	}
	if got := localtest.Query(t, p.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
	stopPostgres(t, p)
	if alive(pid) {
		t.Error("Stop returned before the Postgres taken over had ended")
	}
	<-p.Exited()
}

func TestPostgres_noticesTheEndOfOneTakenOver(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, _ := ownedPostgres(t, ownerPostgres, dir)
	o.kill(t)
	p := startPostgres(t, fast(dir))
	kill9(t, pid)
	select {
	case <-p.Exited():
	case <-time.After(waitTimeout):
		t.Error("Exited is still open")
	}
}

func TestStartPostgres_restartsRatherThanTakesOverOtherSettings(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, url := ownedPostgres(t, ownerPostgres, dir)
	localtest.Query(t, url, "CREATE TABLE kept AS SELECT 42 AS n")
	o.kill(t)

	// The owner ran without fsync; whoever asks for durability must get it.
	p := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	if p.PID() == pid || alive(pid) {
		t.Error("the Postgres without fsync still runs")
	}
	if got := setting(t, p, "fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
	if got := localtest.Query(t, p.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}

func TestStartPostgres_stopsWithItsParent(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, _ := ownedPostgres(t, ownerPostgresBound, dir)
	o.kill(t)
	eventually(t, "Postgres ended with its parent", func() bool { return !alive(pid) })
}

func TestStartPostgres_startsWhileABoundOneIsStillStopping(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, url := ownedPostgres(t, ownerPostgresBound, dir)
	localtest.Query(t, url, "CREATE TABLE kept AS SELECT 42 AS n")
	o.kill(t)
	p := startPostgres(t, fast(dir))
	if p.PID() == pid {
		t.Error("took over a Postgres that was about to stop")
	}
	if got := localtest.Query(t, p.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}

func TestStartPostgres_repeatsACreationCutShort(t *testing.T) {
	// Each is a moment of the creation, told by what is on the disk by then.
	moments := map[string]string{
		"the directory is made":  "postgres.unfinished-*",
		"initdb has begun":       "postgres.unfinished-*/PG_VERSION",
		"initdb makes template1": "postgres.unfinished-*/base/1/PG_VERSION",
		"access is limited":      "postgres.unfinished-*/pg_hba.conf.new-*",
		"the database is made":   "postgres.unfinished-*/base/16*/PG_VERSION",
		"the cluster is named":   "postgres/PG_VERSION",
		"the password is kept":   "postgres.password",
		"the server starts":      "postgres/postmaster.pid",
	}
	for moment, pattern := range moments {
		t.Run(moment, func(t *testing.T) {
			dir := localtest.Dir(t)
			o := startOwner(t, ownerPostgres, dir)
			awaitFile(t, dir, pattern)
			o.kill(t)
			p := startPostgres(t, fast(dir))
			localtest.Query(t, p.URL(), "CREATE TABLE usable (n int)")
			if left, err := filepath.Glob(filepath.Join(dir, "postgres.unfinished-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// awaitFile waits for a file that matches the pattern. One that was there too
// briefly to be seen is made up for by the end of the start.
func awaitFile(t *testing.T, dir, pattern string) {
	t.Helper()
	eventually(t, pattern+" is there", func() bool {
		for _, p := range []string{pattern, "postgres.port"} {
			if found, err := filepath.Glob(filepath.Join(dir, p)); err == nil && len(found) > 0 {
				return true
			}
		}
		return false
	})
}

func TestStartPostgres_isNotFooledByAStalePIDFile(t *testing.T) {
	contents := map[string]string{
		"another process has got the number": strconv.Itoa(os.Getpid()) + "\nDATA\n1700000000\n1\n\n127.0.0.1\n1 1\nready\n",
		"nobody has the number":              "4194303\nDATA\n1700000000\n1\n\n127.0.0.1\n1 1\nready\n",
		"it is empty":                        "",
		"it is cut short":                    strconv.Itoa(os.Getpid()),
		"a single-user Postgres wrote it":    "-" + strconv.Itoa(os.Getpid()) + "\nDATA\n",
		"it is garbage":                      "\x00\x00\x00\x00",
	}
	dir := localtest.Dir(t)
	p := startPostgres(t, fast(dir))
	localtest.Query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	data := filepath.Join(dir, "postgres")
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			kill9(t, p.PID())
			<-p.Exited()
			stopPostgres(t, p)
			content = strings.ReplaceAll(content, "DATA", data)
			if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if p, err = local.StartPostgres(context.WithoutCancel(t.Context()), fast(dir)); err != nil {
				t.Fatal(err)
			}
			if got := localtest.Query(t, p.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
				t.Errorf("kept is %v", got)
			}
		})
	}
	stopPostgres(t, p)
}

func TestStartPostgres_secondProcessIsTurnedAway(t *testing.T) {
	dir := localtest.Dir(t)
	o, pid, url := ownedPostgres(t, ownerPostgres, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := local.StartPostgres(ctx, fast(dir))
	if !errors.Is(err, local.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(o.cmd.Process.Pid)) {
		t.Errorf("the error is %v, want ErrInUse by process %d", err, o.cmd.Process.Pid)
	}
	if !alive(pid) {
		t.Error("the second start stopped the first one's Postgres")
	}
	localtest.Query(t, url, "SELECT 1")
}

func TestStartPostgres_waitsForAPredecessorThatIsStopping(t *testing.T) {
	dir := localtest.Dir(t)
	first := startPostgres(t, fast(dir))
	type result struct {
		p   *local.Postgres
		err error
	}
	second := make(chan result, 1)
	go func() {
		p, err := local.StartPostgres(t.Context(), fast(dir))
		second <- result{p, err}
	}()
	stopPostgres(t, first)
	got := <-second
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer stopPostgres(t, got.p)
	localtest.Query(t, got.p.URL(), "SELECT 1")
}

func TestPostgres_stopIsForcedWhenItsContextEnds(t *testing.T) {
	dir := localtest.Dir(t)
	p := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	localtest.Query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	// A stopped process hears of nothing but SIGKILL.
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	if alive(p.PID()) {
		t.Fatal("Postgres outlived Stop")
	}
	again := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	if got := localtest.Query(t, again.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}
