package submit

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/client"
)

// messyRows are many requests of few orders: firsts, repetitions, conflicts and
// amounts that are refused. The counts are what must come of them, in order.
func messyRows(seed uint64, rows int) (lines []string, accepted, duplicates, conflicts, refused, sumMinor int64) {
	random := rand.New(rand.NewPCG(seed, 1))
	first := map[string]int64{}
	for range rows {
		number := fmt.Sprintf("A-%d", random.IntN(rows/3))
		amount := int64(random.IntN(4)) // 0 is refused
		lines = append(lines, fmt.Sprintf("%s,%d,EUR,tok", number, amount))
		before, known := first[number]
		switch {
		case amount == 0:
			refused++
		case !known:
			first[number] = amount
			accepted++
			sumMinor += amount
		case before == amount:
			duplicates++
		default:
			conflicts++
		}
	}
	return lines, accepted, duplicates, conflicts, refused, sumMinor
}

func TestLanes_theOutcomeDoesNotDependOnTheConnections(t *testing.T) {
	for _, concurrency := range []int{1, 3, 16, 100} {
		for _, format := range []Format{CSV, NDJSON} {
			t.Run(fmt.Sprintf("%d %s", concurrency, format), func(t *testing.T) {
				lines, accepted, duplicates, conflicts, refused, sumMinor := messyRows(uint64(concurrency), 500)
				content := csvOf(lines...)
				if format == NDJSON {
					content = asNDJSON(t, lines)
				}
				tr := newTrial(t, &fakeAPI{before: dawdle}, "orders."+string(format), content)
				tr.opts.Concurrency, tr.opts.Wait = concurrency, true
				summary := tr.run(t)
				wantCounts(t, summary, accepted, duplicates, conflicts, refused, 0)
				if got := summary.Settlement.SucceededMinor["EUR"]; got != sumMinor {
					t.Errorf("sum %d, want %d", got, sumMinor)
				}
			})
		}
	}
}

// dawdle lets requests on different connections overtake each other.
func dawdle(_ int, _ http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet {
		return false
	}
	timer := time.NewTimer(rand.N(300 * time.Microsecond))
	<-timer.C
	return false
}

func asNDJSON(t *testing.T, rows []string) string {
	t.Helper()
	var text strings.Builder
	for _, row := range rows {
		fields := strings.Split(row, ",")
		var minor int64
		if _, err := fmt.Sscan(fields[1], &minor); err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(client.Order{
			OrderNumber: fields[0], AmountMinor: minor, Currency: fields[2], PaymentMethod: fields[3],
		})
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	return text.String()
}

func TestLanes_oneOrderIsSentInFileOrder(t *testing.T) {
	var rows []string
	for i := range 900 {
		rows = append(rows, fmt.Sprintf("A-%d,%d,EUR,tok", i%7, i+1))
	}
	api := &fakeAPI{before: dawdle}
	newTrial(t, api, "orders.csv", csvOf(rows...)).run(t)
	last := map[string]int64{}
	for _, body := range api.bodies {
		var order fakeOrder
		if err := json.Unmarshal([]byte(body), &order); err != nil {
			t.Fatal(err)
		}
		if order.AmountMinor <= last[order.OrderNumber] {
			t.Errorf("%s: %d came after %d", order.OrderNumber, order.AmountMinor, last[order.OrderNumber])
		}
		last[order.OrderNumber] = order.AmountMinor
	}
	if len(api.bodies) != 900 {
		t.Errorf("%d bodies", len(api.bodies))
	}
}

func TestLanes_areUsedAtTheSameTime(t *testing.T) {
	const connections = 8
	arrived := make(chan struct{}, connections)
	all := make(chan struct{})
	api := &fakeAPI{before: func(int, http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		if len(arrived) == connections {
			close(all)
		}
		<-all // no answer before each connection has a request
		return false
	}}
	var rows []string
	used := map[int]bool{}
	for i := 0; len(used) < connections; i++ { // one order for each lane
		number := fmt.Sprintf("A-%d", i)
		if lane := laneOf(number, connections); !used[lane] {
			used[lane] = true
			rows = append(rows, number+",5,EUR,tok")
		}
	}
	tr := newTrial(t, api, "orders.csv", csvOf(rows...))
	tr.opts.Concurrency = connections
	wantCounts(t, tr.run(t), connections, 0, 0, 0, 0)
}

func TestRepeat_sendsTheWholeFilePassByPass(t *testing.T) {
	lines, accepted, duplicates, conflicts, refused, _ := messyRows(7, 600)
	api := &fakeAPI{before: dawdle}
	tr := newTrial(t, api, "orders.csv", csvOf(lines...))
	tr.opts.Repeat = 3
	summary := tr.run(t)
	// Later passes find every order taken by its first body.
	wantCounts(t, summary, accepted, duplicates+2*(accepted+duplicates), 3*conflicts, 3*refused, 0)
	first := map[string]int{}
	for _, body := range api.bodies[:600] {
		first[body]++
	}
	for _, body := range api.bodies[600:1200] {
		first[body]--
	}
	for body, difference := range first {
		if difference != 0 {
			t.Errorf("%s: %d times more in the first pass than in the second", body, difference)
		}
	}
}
