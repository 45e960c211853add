package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestRetryClashes_onlyClashesAndNotForEver(t *testing.T) {
	t.Parallel()
	for code, tries := range map[string]int{
		serializationFailure: clashRetriesMax + 1,
		deadlockDetected:     clashRetriesMax + 1,
		uniqueViolation:      1,
		adminShutdown:        1,
	} {
		synctest.Test(t, func(t *testing.T) {
			clash := &pgconn.PgError{Code: code}
			n := 0
			err := retryClashes(t.Context(), func(context.Context) error { n++; return clash })
			if !errors.Is(err, clash) || n != tries {
				t.Errorf("%s: %d tries, want %d: %v", code, n, tries, err)
			}
		})
	}
}

func TestRetryClashes_endsWithItsCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), clashPauseMin*4)
		defer cancel()
		begin, n := time.Now(), 0
		err := retryClashes(ctx, func(context.Context) error { n++; return &pgconn.PgError{Code: deadlockDetected} })
		if !is(err, deadlockDetected) || n > clashRetriesMax {
			t.Errorf("%d tries: %v", n, err)
		}
		if took := time.Since(begin); took > clashPauseMin*4 {
			t.Errorf("it went on for %v", took)
		}
	})
}

func TestOpen_commitsAreOnDiskWhateverTheDefaults(t *testing.T) {
	t.Parallel()
	const weak = "&options=-csynchronous_commit%3Doff%20-cdefault_transaction_isolation%3Dserializable"
	db, err := Open(t.Context(), localtest.Postgres(t)+weak, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "transaction_isolation": "read committed", "timezone": "UTC",
	} {
		var got string
		if err := db.pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestStorable_cutsAtACharacter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"short":                           "short",
		"exactly8":                        "exactly8",
		"1234567\u00e4":                   "1234567",
		"12345\U0001d11e":                 "12345",
		"\x00\xff\xfe!":                   "\uFFFD\uFFFD!",
		strings.Repeat("\u20ac", 3) + "x": "\u20ac\u20ac",
	} {
		if got := storable(text, 8); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
