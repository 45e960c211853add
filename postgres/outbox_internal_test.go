package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestOutbox_goesByItsIndexes(t *testing.T) {
	t.Parallel()
	db := planned(t)
	localtest.Query(t, db.pool.Config().ConnString(), `
		INSERT INTO webhook_endpoints (id, tenant_id, url, description, event_types, status, status_at, secret, secret_key, created_at, updated_at)
		SELECT 'whe_' || n, 'shop', 'https://shop.example', '', '{}', 'enabled', now(), '\x01', 'k', now(), now() FROM generate_series(1, 2000) n;
		INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type, state, next_at, event_at, updated_at)
		SELECT 'whe_' || n % 50, n, 'shop', 'pay_' || n, 1, 'payment.paying', 'waiting', now(), now(), now() FROM generate_series(1, 5000) n`)
	localtest.Query(t, db.pool.Config().ConnString(), "ANALYZE webhook_endpoints, webhook_deliveries")
	endpoints, one := []string{"whe_1", "whe_2"}, []int64{1, 2}
	none, at := []string{"", ""}, []time.Time{time.Now(), time.Now()}
	for name, statement := range map[string]struct {
		sql     string
		args    []any
		indexes []string
	}{
		"what is due": {
			dueSQL, []any{"w", endpoints, []int32{64, 64}, []int32{1000, 1000}, endpoints, one},
			[]string{"webhook_deliveries_due", "webhook_deliveries_line", "events_of_payment", "payments_pkey", "webhook_endpoints_pkey"},
		},
		"what is put off": {
			putOffSQL, []any{"w", endpoints, []int32{1000, 1000}, crowdedMax},
			[]string{"webhook_deliveries_due", "webhook_deliveries_line", "webhook_deliveries_pkey"},
		},
		"what is held": {
			holdSQL, []any{"w", 10, ringStepsMax, "whe_5"},
			[]string{"webhook_deliveries_due", "webhook_endpoints_of_worker", "webhook_endpoints_pkey"},
		},
		"results": {
			recordSQL, []any{
				"w", int64(1), endpoints, one, none, at, one, one, []int32{200, 200}, none, none, none, none, one, one, []bool{false, false},
			},
			[]string{"webhook_deliveries_pkey", "webhook_deliveries_line", "webhook_endpoints_pkey"},
		},
		"what waits for nobody": {buryWaitingSQL, []any{nil, 10}, []string{"webhook_deliveries_due", "webhook_deliveries_pkey"}},
		"what is old":           {removeOldSQL, []any{int64(1), 10, 10}, []string{"webhook_deliveries_pkey", "webhook_attempts_pkey"}},
	} {
		rows, err := db.pool.Query(t.Context(), "EXPLAIN "+statement.sql, statement.args...)
		if err != nil {
			t.Fatal(name, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(name, err)
		}
		plan := strings.Join(lines, "\n")
		for _, index := range statement.indexes {
			if !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s: not by %s but\n%s", name, index, plan)
			}
		}
	}
}
