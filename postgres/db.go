package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybuf/paybuf/payment"
)

// Config bounds what a call may take. The zero value works.
type Config struct {
	// ConnsMax limits the connections; 0 leaves it to the URL's pool_max_conns, or
	// to the greater of 4 and the number of CPUs.
	ConnsMax int32
	// StatementTimeout and LockTimeout are enforced by the server for each
	// statement, unless the URL sets its own; 0 means 5 s and 3 s.
	StatementTimeout time.Duration
	LockTimeout      time.Duration
	// CallTimeout limits a whole call: waiting for a connection, its statements
	// and their repetitions. 0 means three times StatementTimeout.
	CallTimeout time.Duration
	// Committed, if not nil, is told what a commit of Claim, Lease, Settle, Cancel,
	// Release or JudgeCharges has changed, before that returns. It must not block. A
	// commit whose success is not known is not told of, and of Settle's outcomes also
	// those that came too late are: these are hints.
	Committed func([]payment.Change)
}

const (
	statementTimeoutDefault = 5 * time.Second
	lockTimeoutDefault      = 3 * time.Second
	// connLifetimeMax bounds how long a connection outlives a change of DNS, of a
	// role's rights or of the primary.
	connLifetimeMax    = 30 * time.Minute
	connLifetimeJitter = 3 * time.Minute
	// idleInTransactionMax frees the locks of a process that was stopped halfway.
	idleInTransactionMax = 10 * time.Second
)

func (c Config) withDefaults() Config {
	c.StatementTimeout = cmp.Or(c.StatementTimeout, statementTimeoutDefault)
	c.LockTimeout = cmp.Or(c.LockTimeout, lockTimeoutDefault)
	c.CallTimeout = cmp.Or(c.CallTimeout, 3*c.StatementTimeout)
	return c
}

// DB is the ledger. It may be used by many goroutines at once.
type DB struct {
	pool *pgxpool.Pool
	cfg  Config
}

// Open prepares a pool of connections. It does not wait for the server: a ledger
// that is down for an hour comes back by itself, and Ping and CheckSchema tell
// whether it is there. The error is about the URL (CodeConfig).
//
// The URL is a libpq one; settings that it does not make are set here. Unless it
// says otherwise (target_session_attrs), only a server that takes writes is
// connected to, whichever of its hosts that is. Sessions keep settings and
// prepared statements, so a pooler in between must not share them out per
// transaction.
func Open(ctx context.Context, url string, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	poolConfig, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	if cfg.ConnsMax > 0 {
		poolConfig.MaxConns = cfg.ConnsMax
	}
	poolConfig.MaxConnLifetime = connLifetimeMax
	poolConfig.MaxConnLifetimeJitter = connLifetimeJitter
	poolConfig.PingTimeout = cfg.StatementTimeout
	setUp(poolConfig.ConnConfig, url, cfg.sessionSettings())
	poolConfig.ConnConfig.ConnectTimeout = min(poolConfig.ConnConfig.ConnectTimeout, cfg.CallTimeout)
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, badURL(err)
	}
	return &DB{pool: pool, cfg: cfg}, nil
}

// Close waits for the calls under way and closes all connections.
func (db *DB) Close() { db.pool.Close() }

// sessionSettings are for the sessions of the pool. A commit is on disk when it
// returns, whatever the role's default: a claim that a power cut takes back was a
// charge that nobody knows of. The settings that forbid ways to plan leave only the way by index, row by row, which every statement of a hot path is
// written for: a session keeps its plans, and one that was made while the tables
// were small would read them whole when they have grown (measured one by one: from
// 1,900 payments/s to 850 within five seconds of a fresh database).
func (c Config) sessionSettings() map[string]string {
	return map[string]string{
		"statement_timeout":                   milliseconds(c.StatementTimeout),
		"lock_timeout":                        milliseconds(c.LockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleInTransactionMax),
		"synchronous_commit":                  "on",
		"enable_seqscan":                      "off",
		"enable_hashjoin":                     "off",
		"enable_mergejoin":                    "off",
		"jit":                                 "off",
	}
}

// setUp makes the settings that every session of ours needs, and the given ones
// unless the URL makes them.
func setUp(config *pgx.ConnConfig, url string, settings map[string]string) {
	for name, value := range settings {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "paybuf"
	}
	config.RuntimeParams["timezone"] = "UTC"
	// Claim reads what others have committed since its first statement began.
	config.RuntimeParams["default_transaction_isolation"] = "read committed"
	const target = "target_session_attrs"
	if config.ValidateConnect == nil && !strings.Contains(url, target) && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func badURL(err error) error {
	return &payment.Error{
		Code:   payment.CodeConfig,
		Detail: "the Postgres URL cannot be used",
		Cause:  fmt.Errorf("open postgres: %w", err),
	}
}
