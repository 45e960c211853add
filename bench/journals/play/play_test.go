package play

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/bench/journals/store"
)

// played carries out an order as a child would, and reads its last line.
func played(t *testing.T, order Order, result any) string {
	t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Do(t.Context(), string(text), strings.NewReader(""), &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), result); err != nil {
		t.Fatalf("%s gave %q: %v", text, out.String(), err)
	}
	return out.String()
}

func TestDo_fillsOpensReadsAndHalvesEachStore(t *testing.T) {
	for _, kind := range store.Whole {
		t.Run(string(kind), func(t *testing.T) {
			order := Order{Role: Fill, Kind: kind, Dir: t.TempDir(), SegmentBytes: 128 << 10, Callers: 16, Records: 2000}
			var filled Took
			played(t, order, &filled)
			order.Role = Open
			var opened, removed Took
			played(t, order, &opened)
			if opened.Time <= 0 {
				t.Errorf("it opens in %+v", opened)
			}
			order.Role = Read
			var found Found
			if played(t, order, &found); found != (Found{Opened: true, Right: 2000}) {
				t.Errorf("found %+v", found)
			}
			order.Role = Remove
			if played(t, order, &removed); removed.Time <= 0 {
				t.Errorf("it forgets in %+v", removed)
			}
			order.Role = Read
			found = Found{}
			if played(t, order, &found); found.Right < 700 || found.Right > 1400 || found.Wrong > 0 {
				t.Errorf("found %+v after half was removed", found)
			}
		})
	}
}

func TestAppend_countsOnlyTheWindow(t *testing.T) {
	order := Order{
		Role: Append, Kind: store.Ours, Dir: t.TempDir(), SegmentBytes: 1 << 20, Callers: 8,
		WarmUp: Span(20 * time.Millisecond), Window: Span(100 * time.Millisecond),
	}
	var rates Rates
	played(t, order, &rates)
	if rates.Rate <= 0 || rates.P50 <= 0 || rates.P99 < rates.P50 || (rates.DiskKnown && (rates.Flushes <= 0 || rates.WrittenBytes <= 0)) {
		t.Errorf("%+v", rates)
	}
	// Eight callers that wait for each other's syncs: rate and latency belong
	// together, whatever the machine does.
	if most := float64(order.Callers) / rates.P50.Duration().Seconds() * 4; rates.Rate > most {
		t.Errorf("%.0f records per second while half of the callers wait %s", rates.Rate, rates.P50.Duration())
	}
}

func TestDo_refusesWhatIsNoOrder(t *testing.T) {
	for _, order := range []string{"", "{", `{"role":"sing"}`, `{"role":"open","kind":"river"}`, `{"role":"append","kind":"journal","dir":"/nowhere/at/all"}`} {
		if err := Do(t.Context(), order, strings.NewReader(""), &bytes.Buffer{}); err == nil {
			t.Errorf("%s was done", order)
		}
	}
}

func TestRead_tellsWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/bolt.db", bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var found Found
	played(t, Order{Role: Read, Kind: store.Bolt, Dir: dir}, &found)
	if found.Opened || found.Said == "" || found.Right > 0 {
		t.Errorf("found %+v", found)
	}
}
