package peer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// running is a peer that serves until the test ends.
type running struct {
	t           *testing.T
	url         string
	postgresURL string
}

func run(t *testing.T, kind Kind) *running {
	t.Helper()
	return runWith(t, kind, "")
}

func runWith(t *testing.T, kind Kind, payerURL string) *running {
	t.Helper()
	r := &running{t: t}
	if kind != Bare {
		r.postgresURL = localtest.Postgres(t)
	}
	in, hold := io.Pipe()
	told, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(context.Background(), kind, Outside{PostgresURL: r.postgresURL, PayerURL: payerURL}, in, out)
	}()
	t.Cleanup(func() {
		_ = hold.Close()
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", kind, err)
		}
	})
	address, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + strings.TrimSpace(address) + path
	return r
}

// post sends a body and gives the status and the answer.
func (r *running) post(body string) (int, answer) {
	r.t.Helper()
	var got answer
	status := r.postTo(r.url, body, &got)
	return status, got
}

// postTo sends a body, gives the status, and decodes the answer if it is a 202.
func (r *running) postTo(url, body string, got any) int {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	var client http.Client
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if response.StatusCode == http.StatusAccepted {
		if err := json.NewDecoder(bytes.NewReader(said)).Decode(got); err != nil {
			r.t.Fatalf("%v in %s", err, said)
		}
	}
	return response.StatusCode
}

// count gives the number of rows that are stored.
func (r *running) count(table string) int {
	r.t.Helper()
	return r.number("SELECT count(*) FROM " + table)
}

func (r *running) number(sql string) (n int) {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.postgresURL)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(r.t.Context(), sql).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func body(orderNumber string) string {
	return fmt.Sprintf(`{"order_number":%q,"amount":1999,"currency":"EUR","payment_method":"tok_visa",`+
		`"customer":"c_81","description":"two books","metadata":{"cart":"918273"}}`, orderNumber)
}

// tables are where the storing peers keep what they take.
var tables = map[Kind]string{Insert: "orders", River: "river_job"}

func TestStoring_keepsEachOrderOnceAndTellsRepeats(t *testing.T) {
	for kind, table := range tables {
		r := run(t, kind)
		for i, want := range []struct {
			order   string
			repeats bool
		}{{"A-1", false}, {"A-2", false}, {"A-1", true}, {"A-2", true}, {"A-1", true}} {
			status, got := r.post(body(want.order))
			if status != http.StatusAccepted || got.Duplicate != want.repeats || got.OrderNumber != want.order {
				t.Errorf("%s, request %d: %d %+v", kind, i, status, got)
			}
			if !strings.HasSuffix(got.StatusURL, path+"/"+got.ID) {
				t.Errorf("%s: the status URL is %s", kind, got.StatusURL)
			}
		}
		if rows := r.count(table); rows != 2 {
			t.Errorf("%s stored %d rows", kind, rows)
		}
	}
}

func TestStoring_takesOneOfManyAtOnce(t *testing.T) {
	const clients = 20
	for kind, table := range tables {
		r := run(t, kind)
		var wg sync.WaitGroup
		first := make(chan bool, clients)
		for range clients {
			wg.Go(func() {
				status, got := r.post(body("A-1"))
				first <- status == http.StatusAccepted && !got.Duplicate
			})
		}
		wg.Wait()
		close(first)
		firsts := 0
		for was := range first {
			if was {
				firsts++
			}
		}
		if rows := r.count(table); firsts != 1 || rows != 1 {
			t.Errorf("%s called %d requests the first and stored %d rows", kind, firsts, rows)
		}
	}
}

func TestStoring_refusesWhatIsNoOrder(t *testing.T) {
	for kind, table := range tables {
		r := run(t, kind)
		for _, wrong := range []string{
			``, `{`, `[]`, `null`, body("") + "x",
			body(""),
			strings.Replace(body("A-1"), "1999", "null", 1),
			strings.Replace(body("A-1"), "1999", "19.99", 1),
			strings.Replace(body("A-1"), "amount", "Amount", 1),
			strings.Replace(body("A-1"), "EUR", "EURO", 1),
			strings.Replace(body("A-1"), `"customer"`, `"colour"`, 1),
			strings.Replace(body("A-1"), `"customer":"c_81"`, `"amount":1`, 1),
			strings.Replace(body("A-1"), "books", strings.Repeat("b", bodyBytesMax), 1),
		} {
			if status, _ := r.post(wrong); status != http.StatusBadRequest {
				t.Errorf("%s answered %.80q with %d", kind, wrong, status)
			}
		}
		if rows := r.count(table); rows != 0 {
			t.Errorf("%s stored %d rows", kind, rows)
		}
	}
}

func TestBare_alwaysSaysTheSame(t *testing.T) {
	r := run(t, Bare)
	_, first := r.post(body("A-1"))
	status, again := r.post(body("A-1"))
	if status != http.StatusAccepted || first != again || first.Duplicate || first.Object != "payment" {
		t.Errorf("%d: %+v, then %+v", status, first, again)
	}
}

// The answers of all servers cost about the same to send and to read.
func TestBare_answersAreAsLongAsReal(t *testing.T) {
	real, err := json.Marshal(answer{
		ID: "pay_R000C000N00000000", Object: "payment", OrderNumber: "R000C000N00000000", Amount: 1999, Currency: "EUR",
		State: "queued", StatusURL: "http://127.0.0.1:8080/v1/payments/pay_R000C000N00000000", AcceptedAt: "2026-01-01T00:00:00.000Z",
	})
	if err != nil || string(real) != constantAnswer {
		t.Errorf("%v: a real answer is\n%s\nthe constant one\n%s", err, real, constantAnswer)
	}
}

func TestServe_refusesWhatItCannotStart(t *testing.T) {
	const nobody = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"
	for kind, postgresURL := range map[Kind]string{
		"nonsense": "", Insert: nobody, River: "not a URL", Pipeline: nobody,
	} {
		err := Serve(t.Context(), kind, Outside{PostgresURL: postgresURL}, strings.NewReader(""), io.Discard)
		if err == nil || !strings.Contains(err.Error(), string(kind)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
