package storm_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// desk answers about each payment what stands in a script, one line after the
// other, and then the last again.
type desk struct {
	shop   *shop
	script []string // of members; "" for 404

	mu   sync.Mutex
	asks map[string]int
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/batch"):
		d.batch(w, r)
		return
	case r.Method == http.MethodPost:
		d.shop.ServeHTTP(w, r)
		return
	}
	id := path.Base(r.URL.Path)
	d.mu.Lock()
	line := d.script[min(d.asks[id], len(d.script)-1)]
	d.asks[id]++
	d.mu.Unlock()
	if line == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, `{"id":%q,%s}`, id, line)
}

const (
	queued    = `"amount":100,"state":"queued","version":0`
	succeeded = `"amount":100,"state":"succeeded","version":2`
)

// followed has one order accepted, and a desk say something about it until the
// script is over and it has been asked once more.
func followed(t *testing.T, script ...string) *storm.Storm {
	t.Helper()
	d := &desk{shop: &shop{first: map[string]order{}}, script: script, asks: map[string]int{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	s := storm.New(storm.Config{Doors: []string{server.URL}})
	t.Cleanup(s.Close)
	s.Send(t.Context(), storm.Wave{Requests: 1})
	ctx, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { s.Follow(ctx, server.URL) })
	defer func() { stop(); following.Wait() }()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		d.mu.Lock()
		asked := 0
		for _, n := range d.asks {
			asked += n
		}
		d.mu.Unlock()
		if asked > len(script) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("asked %d times in a minute", asked)
		}
	}
}

func TestFollow_findsNoFaultWithAnOrdinaryLife(t *testing.T) {
	s := followed(t, queued, queued, `"amount":100,"state":"paying","version":1`, succeeded)
	if v := s.Violations(); len(v) > 0 {
		t.Error(v)
	}
	if ended, open := s.Ended(); ended != 1 || open != 0 {
		t.Errorf("%d have ended, %d are open", ended, open)
	}
}

func TestFollow_findsWhatMustNotHappen(t *testing.T) {
	for name, told := range map[string]struct {
		script []string
		want   storm.Invariant
	}{
		"not found":           {[]string{queued, ""}, storm.Kept},
		"a final state ends":  {[]string{succeeded, `"amount":100,"state":"unknown","version":3`}, storm.Final},
		"another final state": {[]string{succeeded, `"amount":100,"state":"failed","version":2`}, storm.Final},
		"an earlier version":  {[]string{`"amount":100,"state":"unknown","version":3`, succeeded}, storm.Final},
		"two states at once":  {[]string{`"amount":100,"state":"paying","version":1`, `"amount":100,"state":"unknown","version":1`}, storm.Final},
		"another amount":      {[]string{queued, `"amount":101,"state":"paying","version":1`}, storm.Amounts},
	} {
		violations := followed(t, told.script...).Violations()
		if len(violations) == 0 || violations[0].Invariant != told.want {
			t.Errorf("%s: %v", name, violations)
		}
	}
}

// charge writes charges into a ledger of a payer that ignores keys.
func charge(t *testing.T, ledger string, amounts map[string][]int64) {
	t.Helper()
	payer, err := simulator.Open(simulator.Options{Ledger: ledger, IgnoreKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	defer payer.Close()
	for id, list := range amounts {
		for _, minor := range list {
			money, err := payment.NewMoney(minor, "EUR")
			if err != nil {
				t.Fatal(err)
			}
			answer := payer.Charge(t.Context(), payment.Request{ID: payment.ID(id), OrderNumber: id, Money: money, PaymentMethod: "tok_visa"})
			if answer.Verdict != payment.VerdictCharged {
				t.Fatalf("the payer answers %+v", answer)
			}
		}
	}
}

func TestBalance_holdsTheLedgerAgainstWhatClientsSaw(t *testing.T) {
	const id = "pay_storm-0"
	parked := `"amount":100,"state":"parked","version":2`
	for name, told := range map[string]struct {
		seen    string
		charges map[string][]int64
		want    []storm.Invariant
	}{
		"all is well":            {succeeded, map[string][]int64{id: {100}}, nil},
		"parked for a reason":    {parked + `,"failure":{"code":"outcome_unknown"}`, map[string][]int64{id: {100}}, nil},
		"parked for none":        {parked, nil, []storm.Invariant{storm.Kept}},
		"never ended":            {queued, nil, []storm.Invariant{storm.Kept}},
		"charged twice":          {succeeded, map[string][]int64{id: {100, 100}}, []storm.Invariant{storm.Once}},
		"not charged":            {succeeded, nil, []storm.Invariant{storm.Once}},
		"failed and charged":     {`"amount":100,"state":"failed","version":2`, map[string][]int64{id: {100}}, []storm.Invariant{storm.Once}},
		"another amount":         {succeeded, map[string][]int64{id: {99}}, []storm.Invariant{storm.Amounts}},
		"an order of nobody's":   {succeeded, map[string][]int64{id: {100}, "pay_other": {100}}, []storm.Invariant{storm.Once}},
		"twice and never an end": {queued, map[string][]int64{id: {100, 100}}, []storm.Invariant{storm.Kept, storm.Once}},
		"canceled unasked":       {`"amount":100,"state":"canceled","version":1`, nil, []storm.Invariant{storm.Kept}},
		"canceled and yet charged": {`"amount":100,"state":"canceled","version":1`, map[string][]int64{id: {100}},
			[]storm.Invariant{storm.Kept, storm.Once}},
	} {
		ledger := filepath.Join(t.TempDir(), "ledger.ndjson")
		charge(t, ledger, told.charges)
		balance, err := followed(t, told.seen).Balance(ledger)
		if err != nil || !slices.Equal(balance.Broken(), told.want) {
			t.Errorf("%s: %v, %v, want %v", name, err, balance.Violations, told.want)
		}
		if want := max(0, len(told.charges[id])-1); balance.Doubles != want || balance.Payments != 1 {
			t.Errorf("%s: it counts %+v", name, balance)
		}
	}
}

func TestFinals_holdsWhatWasSeenToBeFinal(t *testing.T) {
	finals := followed(t, queued, succeeded).Finals()
	if len(finals) != 1 {
		t.Errorf("%v, want one that has succeeded", finals)
	}
	for id, state := range finals {
		if state != payment.Succeeded {
			t.Errorf("%s is %s, want succeeded", id, state)
		}
	}
	if finals := followed(t, queued, `"amount":100,"state":"parked","version":2`).Finals(); len(finals) > 0 {
		t.Errorf("%v, want none: a parked payment is not final", finals)
	}
}
