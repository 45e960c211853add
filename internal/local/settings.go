package local

import (
	"slices"
	"strconv"
)

const (
	loopback = "127.0.0.1"
	// roleName and databaseName are what URL connects as and to. The role owns
	// the database and nothing else: it is no superuser, so that an SQL
	// injection would not reach the machine.
	roleName     = "paybuf"
	databaseName = "paybuf"
)

// quiet keeps payments' data out of the log: no statements, no parameters, no
// DETAIL lines (which quote the key of a unique violation), and no ERRORs at
// all, since those reach the client that caused them.
var quiet = []string{
	"log_min_messages=log",
	"log_min_error_statement=panic",
	"log_error_verbosity=terse",
	"log_statement=none",
	"log_min_duration_statement=-1",
	"log_parameter_max_length=0",
	"log_parameter_max_length_on_error=0",
	"log_checkpoints=off",
	"log_timezone=UTC",
	"log_line_prefix=%m [%p] ",
}

// tuned are the settings that differ from Postgres' own. Whatever is not here
// can be changed with ALTER SYSTEM or in postgresql.conf.
var tuned = []string{
	"max_connections=100",
	"shared_buffers=128MB",
	"wal_compression=on",
	"jit=off", // compiling costs more than any of our short statements
	"timezone=UTC",
}

// durable is Postgres' default, spelled out because the cluster holds money:
// nobody turns it off by a line in postgresql.conf.
var durable = []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on"}

// volatile forgets everything when the machine dies: for tests only. Commits
// still survive the death of every process, so that tests may kill.
var volatile = []string{"fsync=off", "synchronous_commit=on", "full_page_writes=off"}

func (cfg PostgresConfig) durability() []string {
	if cfg.Fast {
		return volatile
	}
	return durable
}

// serverArgs are the arguments of the postmaster. A running server with other
// arguments is restarted rather than taken over, so these are also what tells
// a test's cluster from one that holds money. They begin with "-D data", which is
// what isPostmaster looks for.
func serverArgs(cfg PostgresConfig, data string, port int) []string {
	name := "paybuf"
	if cfg.StopWithParent {
		name = "paybuf_child"
	}
	return append([]string{"-D", data}, flags(slices.Concat([]string{
		"cluster_name=" + name,
		"listen_addresses=" + loopback,
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
	}, cfg.durability(), tuned, quiet))...)
}

// singleArgs are the arguments of the single-user mode, in which statements
// are read from standard input, one a line, as the superuser without a password.
func singleArgs(cfg PostgresConfig, data, database string) []string {
	args := append([]string{"--single", "-D", data}, flags(slices.Concat([]string{
		"exit_on_error=true",
	}, cfg.durability(), quiet))...)
	return append(args, database)
}

func flags(settings []string) []string {
	var args []string
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}
