package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// planned is a ledger with enough rows for an index to be worth it.
func planned(t *testing.T) *DB {
	t.Helper()
	url := localtest.Postgres(t)
	if _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	localtest.Query(t, url, `
		INSERT INTO payments (id, tenant_id, order_number, amount_minor, currency, payment_method, customer, description,
			metadata, fingerprint, accepted_at, state, version, attempts, next_at, created_at, updated_at)
		SELECT 'pay_' || n, 'shop', n::text, 1, 'EUR', 'tok', '', '', '{}', sha256(n::text::bytea), now(),
			s.state, 1, 1, CASE s.state WHEN 'unknown' THEN now() END, now(), now()
		  FROM generate_series(1, 2000) AS n,
		  LATERAL (SELECT CASE n % 400 WHEN 0 THEN 'parked' WHEN 1 THEN 'unknown' ELSE 'succeeded' END AS state) s`)
	localtest.Query(t, url, `
		INSERT INTO events (payment_id, tenant_id, version, type, state, at)
		SELECT 'pay_' || n, CASE n % 10 WHEN 0 THEN 'other' ELSE 'shop' END, 1, 'payment.paying', 'paying', now()
		  FROM generate_series(1, 2000) AS n`)
	localtest.Query(t, url, "ANALYZE payments")
	localtest.Query(t, url, "ANALYZE events")
	db, err := Open(t.Context(), url, Config{ConnsMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// A page of a list reads as many payments as it shows, not all that might be on it, also
// with the plan that a session makes once for all arguments.
func TestListByTime_endsWhereThePageDoes(t *testing.T) {
	t.Parallel()
	db := planned(t)
	run := func(sql string) {
		if _, err := db.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run("PREPARE list AS " + listByTimeSQL)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		run("SET plan_cache_mode = " + mode)
		for _, args := range []string{
			"'shop', NULL, NULL, '', '', 10000, '', 11",
			"'shop', NULL, now(), 'pay_9', 'succeeded', 10000, '', 11",
			"'shop', now() - interval '1 hour', now(), 'pay_9', 'failed', 10000, '', 1001",
		} {
			plan := explained(t, db, "EXECUTE list("+args+")")
			if !strings.Contains(plan, "Index Only Scan Backward using events_of_creation") || strings.Contains(plan, "Sort") {
				t.Errorf("%s, %s: more is read than shown:\n%s", mode, args, plan)
			}
		}
	}
}

// listArguments are the arguments of a list's statement.
func listArguments(state payment.State, order string) []any {
	return []any{"shop", nil, time.Now(), "pay_9", state, listScanMax, order, 11}
}

func TestReads_goByTheirIndexes(t *testing.T) {
	t.Parallel()
	db := planned(t)
	for name, read := range map[string]struct {
		sql     string
		args    []any
		indexes []string
	}{
		"a payment and its next": {paymentSQL, []any{"pay_7", "shop"}, []string{"payments_pkey", "payments_order_key"}},
		"payments of tenants":    {paymentsOfSQL, []any{[]string{"pay_7", "pay_8"}, []string{"shop", "shop"}}, []string{"payments_pkey", "payments_order_key"}},
		"any tenant's":           {paymentForOperatorSQL, []any{"pay_7"}, []string{"payments_pkey", "payments_order_key"}},
		"an order's":             {paymentsByOrderSQL, []any{"shop", "7", 10}, []string{"payments_order_key"}},
		"the parked":             {listParkedSQL, []any{10}, []string{"payments_parked"}},
		"the unknown":            {listOpenSQL, []any{10, payment.Unknown}, []string{"payments_due"}},
		"what to cancel":         {targetSQL, []any{"shop", "7", 10, payment.FailurePredecessor}, []string{"payments_order_key"}},
		"a tenant's list":        {listByTimeSQL, listArguments("", ""), []string{"events_of_creation", "payments_pkey", "payments_order_key"}},
		"those of a state":       {listByTimeSQL, listArguments(payment.Succeeded, ""), []string{"events_of_creation", "payments_pkey", "payments_order_key"}},
		"a tenant's open ones":   {listOpenOfSQL, listArguments(payment.Unknown, ""), []string{"payments_due"}},
		"a tenant's parked":      {listParkedOfSQL, listArguments(payment.Parked, ""), []string{"payments_parked"}},
		"an order's list":        {listOrderSQL, listArguments("", "7"), []string{"payments_order_key"}},
		"how many are open":      {countOpenSQL, []any{10}, []string{"payments_due"}},
		"how many are parked":    {countParkedSQL, []any{10}, []string{"payments_parked"}},
		"a payment's events":     {eventsSQL, []any{"pay_7", "shop", 0, 10}, []string{"events_of_payment", "payments_pkey"}},
		"the feed":               {feedSQL, []any{"shop", 5, 5, 10}, []string{"events_in_feed", "payments_pkey"}},
		"the places' end":        {placesAheadSQL, nil, []string{"events_in_feed"}},
		"the attempts":           {attemptsSQL, []any{"pay_7", 10}, []string{"attempts_pkey"}},
		"several by their ids":   {paymentsByIDSQL, []any{[]string{"pay_7", "pay_8"}}, []string{"payments_pkey", "payments_order_key"}},
		"the releases":           {releasesSQL, []any{"pay_7", 10}, []string{"releases_pkey"}},
		"endpoints":              {endpointsSQL, []any{"shop", 50}, []string{"webhook_endpoints_of_tenant"}},
		"deliveries":             {deliveriesSQL, []any{"whe_1", "shop", 9, []string{"dead"}, 10, 10}, []string{"webhook_deliveries_pkey"}},
		"dead deliveries":        {deadDeliveriesSQL, []any{"whe_1", "shop", 9, 10}, []string{"webhook_deliveries_dead"}},
		"where a page ended":     {deliveriesScannedSQL, []any{"whe_1", "shop", 9, 10}, []string{"webhook_deliveries_pkey"}},
		"an event":               {eventSQL, []any{"pay_7", 7, "shop"}, []string{"events_of_payment", "payments_pkey"}},
		"the next event":         {nextEventSQL, []any{"shop", 1, 2}, []string{"events_in_feed"}},
		"what to recover": {recoverSQL, []any{"whe_1", "shop", 1, 2, time.Now(), 10},
			[]string{"events_in_feed", "webhook_deliveries_pkey", "webhook_endpoints_pkey"}},
	} {
		plan := explained(t, db, read.sql, read.args...)
		for _, index := range read.indexes {
			if !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s: not by %s but\n%s", name, index, plan)
			}
		}
	}
}

// explained gives the plan of a statement.
func explained(t *testing.T, db *DB, sql string, args ...any) string {
	t.Helper()
	rows, err := db.pool.Query(t.Context(), "EXPLAIN "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
