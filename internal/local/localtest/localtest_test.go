package localtest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func TestPostgres_givesEachTestASchemaOfItsOwn(t *testing.T) {
	first, second := connect(t, localtest.Postgres(t)), connect(t, localtest.Postgres(t))
	for _, conn := range []*pgx.Conn{first, second} {
		if _, err := conn.Exec(t.Context(), "CREATE TABLE payments (id text)"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Exec(t.Context(), "INSERT INTO payments VALUES ('pay_1')"); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := second.QueryRow(t.Context(), "SELECT count(*) FROM payments").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != 0 {
		t.Errorf("the second schema has %d rows of the first", rows)
	}
}

func TestPostgres_schemaIsDroppedWithItsTest(t *testing.T) {
	var url string
	t.Run("a test", func(t *testing.T) {
		url = localtest.Postgres(t)
		localtest.Query(t, url, "CREATE TABLE payments (id text)")
		if got := localtest.Query(t, url, "SELECT current_schema()"); got[0] == "" {
			t.Error("there is no schema")
		}
	})
	if got := localtest.Query(t, url, "SELECT current_schema()"); got[0] != "" {
		t.Errorf("the schema %s is still there", got[0])
	}
}

func TestQuery_givesTheLastStatementsFirstColumn(t *testing.T) {
	url := localtest.Postgres(t)
	got := localtest.Query(t, url, "SELECT 1; SELECT n, 'unused' FROM generate_series(7, 9) n")
	if !slices.Equal(got, []string{"7", "8", "9"}) {
		t.Errorf("got %v", got)
	}
	if err := localtest.Try(url, "SELECT no_such_column"); err == nil {
		t.Error("no error")
	}
}

func TestDir_isReachableAndRemoved(t *testing.T) {
	var dir string
	t.Run("a test", func(t *testing.T) {
		dir = localtest.Dir(t)
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("its mode is %v (%v)", info.Mode(), err)
		}
	})
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there (%v)", err)
	}
}

func TestNATS_isEmptyAndInProcess(t *testing.T) {
	server := localtest.NATS(t)
	if server.ClientURL() != "" {
		t.Errorf("it listens on %s", server.ClientURL())
	}
	nc, err := nats.Connect("", nats.InProcessServer(server.InProcess()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for info := range js.ListStreams(t.Context()).Info() {
		t.Errorf("it already has the stream %s", info.Config.Name)
	}
}

// connect opens a connection that is closed before the schema is dropped.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return conn
}
