package listen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/paybuf/paybuf/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	runMax     = 30 * time.Second
)

// event is one in the API's form: the n-th, of a payment.
func event(pay string, n int, kind string) string {
	return fmt.Sprintf(`{"id":"evt_%s_%d","object":"event","type":%q,"timestamp":"2026-11-21T09:00:00.000Z",`+
		`"sequence":%d,"payment_id":"pay_%s","version":%d,"changes":{"state":null},"data":null}`, pay, n, kind, n, pay, n)
}

func paying(pay string, n int) string { return event(pay, n, "payment.paying") }

// feedAPI is the feed's part of the API: pages in turn, each behind a cursor of its own,
// and then none any more.
type feedAPI struct {
	pages  [][]string
	status int // of every answer, if not 0
	broken int // answers that get lost, after the first page

	mu     sync.Mutex
	asked  []string // values of after
	caught chan struct{}
}

func (a *feedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	after := r.URL.Query().Get("after")
	a.asked = append(a.asked, after)
	place := 0
	_, _ = fmt.Sscanf(after, "cur_%d", &place)
	switch {
	case a.status != 0:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, `{"code":"unauthenticated"}`)
	case place > 0 && a.broken > 0:
		a.broken--
		panic(http.ErrAbortHandler)
	case place < len(a.pages):
		_, _ = fmt.Fprintf(w, `{"object":"list","data":[%s],"next_cursor":"cur_%d","has_more":true}`,
			strings.Join(a.pages[place], ","), place+1)
	default:
		_, _ = fmt.Fprintf(w, `{"object":"list","data":[],"next_cursor":"cur_%d","has_more":false}`, place)
		select {
		case a.caught <- struct{}{}:
		default:
		}
	}
}

// program is the developer's: it notes what it is sent, and answers as it is told.
type program struct {
	answer func(w http.ResponseWriter, body string, times int)

	mu     sync.Mutex
	bodies []string
	wrong  []error // signatures that are not right
	times  map[string]int
}

func (p *program) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	webhook, err := client.NewWebhook(testSecret)
	if err != nil {
		panic(err)
	}
	got, err := webhook.Read(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || got.ID != r.Header.Get("webhook-id") || r.Header.Get("Content-Type") != "application/json" {
		p.wrong = append(p.wrong, fmt.Errorf("%s as %v: %w", got.ID, r.Header, err))
	}
	p.bodies = append(p.bodies, string(got.JSON))
	if p.times == nil {
		p.times = map[string]int{}
	}
	p.times[got.ID]++
	if p.answer != nil {
		p.answer(w, string(got.JSON), p.times[got.ID])
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// trial is one run of a listener, until it has caught up with the feed.
type trial struct {
	api     *feedAPI
	program *program
	opts    Options
	out     bytes.Buffer
}

func newTrial(t *testing.T, pages ...[]string) *trial {
	t.Helper()
	tr := &trial{api: &feedAPI{pages: pages, caught: make(chan struct{}, 1)}, program: &program{}}
	target := httptest.NewServer(tr.program)
	t.Cleanup(target.Close)
	tr.opts = Options{ForwardTo: target.URL + "/hook", After: "cur_0", Secret: testSecret, Stdout: &tr.out}
	return tr
}

func (tr *trial) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runMax)
	defer cancel()
	api := httptest.NewServer(tr.api)
	defer api.Close()
	ended := make(chan error, 1)
	go func() { ended <- tr.listen(ctx, client.New(api.URL, client.Config{RetryTimeout: -1})) }()
	select {
	case err := <-ended:
		return err
	case <-tr.api.caught:
		cancel()
		return <-ended
	}
}

// listen is Run without its pauses.
func (tr *trial) listen(ctx context.Context, feed Feed) error {
	l, err := newListener(tr.opts)
	if err != nil {
		return err
	}
	defer l.forward.http.CloseIdleConnections()
	l.pauses = []time.Duration{time.Millisecond, time.Millisecond}
	return l.run(ctx, feed)
}

func (tr *trial) must(t *testing.T) string {
	t.Helper()
	if err := tr.run(t); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range tr.program.wrong {
		t.Errorf("a signature is not right: %v", wrong)
	}
	return tr.out.String()
}

func TestListen_forwardsEachEventInItsBytesAndSigned(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1), paying("b", 2)}, []string{paying("a", 3)})
	printed := tr.must(t)
	slices.Sort(tr.program.bodies)
	if want := []string{paying("a", 1), paying("a", 3), paying("b", 2)}; !slices.Equal(tr.program.bodies, want) {
		t.Errorf("forwarded %q\nwant %q", tr.program.bodies, want)
	}
	for _, text := range []string{
		"payment.paying", "pay_b", " 204 ", "forwarding to   " + tr.opts.ForwardTo,
		"3 forwarded, 0 skipped; the next time from --after cur_2\n",
	} {
		if !strings.Contains(printed, text) {
			t.Errorf("it does not say %q:\n%s", text, printed)
		}
	}
	if strings.Contains(printed, testSecret) {
		t.Error("it repeats the secret that it was given")
	}
}

func TestListen_eventsOfAPaymentComeOneAfterTheOther(t *testing.T) {
	var page, want []string
	for n := range 20 {
		page = append(page, paying("a", n), paying("b", n))
		want = append(want, paying("a", n))
	}
	tr := newTrial(t, page)
	tr.program.answer = func(w http.ResponseWriter, _ string, times int) {
		if times == 1 { // each is sent twice before the next
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	tr.must(t)
	var ofA []string
	for _, body := range tr.program.bodies {
		if strings.Contains(body, "pay_a") && !slices.Contains(ofA, body) {
			ofA = append(ofA, body)
		}
	}
	if !slices.Equal(ofA, want) || len(tr.program.bodies) != 80 {
		t.Errorf("%d requests, those of one payment in the order %q", len(tr.program.bodies), ofA)
	}
}

func TestListen_aSlowPaymentHoldsUpNoOther(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1), paying("a", 2), paying("b", 3)})
	others := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("webhook-id") {
		case "evt_b_3":
			close(others)
		case "evt_a_1":
			select {
			case <-others:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer target.Close()
	tr.opts.ForwardTo = target.URL
	if printed := tr.must(t); !strings.Contains(printed, "3 forwarded, 0 skipped") {
		t.Errorf("got\n%s", printed)
	}
}

// A program that never answers is given up in time, and so is one that never ends.
func TestForward_hasItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		webhook, err := client.NewWebhook(testSecret)
		if err != nil {
			t.Fatal(err)
		}
		f := newForwarder("http://program", webhook, 1)
		f.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		got := f.send(t.Context(), client.Event{ID: "evt_a_1", JSON: []byte(`{}`)})
		if got.taken() || !errors.Is(got.err, errForwardSlow) || got.took != forwardTimeout {
			t.Errorf("got %+v", got)
		}
		endless := &endlessBody{}
		f.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadGateway, Body: io.NopCloser(endless), Request: r}, nil
		})
		got = f.send(t.Context(), client.Event{ID: "evt_a_1", JSON: []byte(`{}`)})
		if got.status != http.StatusBadGateway || len(got.excerpt) != excerptBytesMax || endless.read > 2*answerBytesMax {
			t.Errorf("got %+v after %d bytes", got, endless.read)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type endlessBody struct{ read int }

func (b *endlessBody) Read(p []byte) (int, error) {
	b.read += len(p)
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}

func TestListen_whatIsNotTakenIsSkippedAndSaid(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, body string, times int){
		"an error": func(w http.ResponseWriter, body string, _ int) {
			if strings.Contains(body, "_1\"") {
				http.Error(w, "no\x1b[31m table", http.StatusInternalServerError)
			}
		},
		"a redirect": func(w http.ResponseWriter, body string, _ int) {
			if strings.Contains(body, "_1\"") {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		},
		"a broken connection": func(_ http.ResponseWriter, body string, _ int) {
			if strings.Contains(body, "_1\"") {
				panic(http.ErrAbortHandler)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, []string{paying("a", 1), paying("a", 2)})
			tr.program.answer = answer
			printed := tr.must(t)
			if !strings.Contains(printed, "SKIPPED after 3 tries") || !strings.Contains(printed, "1 forwarded, 1 skipped") ||
				strings.Contains(printed, "\x1b") || tr.program.times["evt_a_1"] != 3 {
				t.Errorf("%d tries:\n%s", tr.program.times["evt_a_1"], printed)
			}
		})
	}
}

func TestListen_goesOnWhereItHasBeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cursor")
	first := newTrial(t, []string{paying("a", 1)})
	first.opts.CursorFile = file
	first.must(t)
	if kept, err := os.ReadFile(file); err != nil || string(kept) != "cur_1\n" {
		t.Fatalf("kept %q, %v", kept, err)
	}
	second := newTrial(t, []string{paying("a", 1)}, []string{paying("a", 2)})
	second.opts.CursorFile = file
	second.must(t)
	if !slices.Equal(second.program.bodies, []string{paying("a", 2)}) || second.api.asked[0] != "cur_1" {
		t.Errorf("asked after %q and forwarded %q", second.api.asked, second.program.bodies)
	}
}

// A cursor in the middle of what was forwarded would lose the rest of it.
func TestListen_aPageThatWasBrokenOffComesAgain(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1)}, []string{paying("a", 2), paying("a", 3)})
	tr.opts.CursorFile = filepath.Join(t.TempDir(), "cursor")
	tr.program.answer = func(w http.ResponseWriter, body string, _ int) {
		if body == paying("a", 3) {
			select {
			case tr.api.caught <- struct{}{}: // as if somebody pressed Ctrl-C
			default:
			}
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	tr.opts.After = "cur_0"
	ctx, cancel := context.WithTimeout(t.Context(), runMax)
	defer cancel()
	l, err := newListener(tr.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.forward.http.CloseIdleConnections()
	l.pauses = []time.Duration{runMax}
	api := httptest.NewServer(tr.api)
	defer api.Close()
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx, client.New(api.URL, client.Config{})) }()
	<-tr.api.caught
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(tr.opts.CursorFile)
	if err != nil || string(kept) != "cur_1\n" || !strings.Contains(tr.out.String(), "--after cur_1") {
		t.Errorf("kept %q, %v\n%s", kept, err, tr.out.String())
	}
}

func TestListen_forwardsOnlyTheTypesAskedFor(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1), event("a", 2, "payment.succeeded")})
	tr.opts.Types = []string{"payment.succeeded", "payment.failed"}
	printed := tr.must(t)
	if len(tr.program.bodies) != 1 || !strings.Contains(printed, "1 forwarded, 0 skipped, 1 of other types") {
		t.Errorf("forwarded %q\n%s", tr.program.bodies, printed)
	}
}

func TestListen_anOutageOfTheAPIIsWaitedOut(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1)}, []string{paying("a", 2)})
	tr.api.broken = 3
	if printed := tr.must(t); !strings.Contains(printed, "2 forwarded, 0 skipped") {
		t.Errorf("got\n%s", printed)
	}
}

func TestListen_endsIfTheAPIRefuses(t *testing.T) {
	tr := newTrial(t)
	tr.api.status = http.StatusUnauthorized
	if err := tr.run(t); err == nil || tr.out.Len() != 0 {
		t.Errorf("got %v and %s", err, tr.out.String())
	}
	silent := newTrial(t)
	silent.api.status = http.StatusBadGateway
	if err := silent.run(t); err == nil {
		t.Error("an API that never answered is waited for")
	}
}

func TestListen_endsIfTheCursorCannotBeKept(t *testing.T) {
	tr := newTrial(t, []string{paying("a", 1)})
	tr.opts.CursorFile = filepath.Join(t.TempDir(), "none", "cursor")
	if err := tr.run(t); err == nil || !strings.Contains(err.Error(), "--cursor-file") {
		t.Errorf("got %v", err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, cursorBytesMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.opts.CursorFile = large
	if err := tr.run(t); err == nil || !strings.Contains(err.Error(), "holds no cursor") {
		t.Errorf("got %v", err)
	}
}

func TestRun_printsTheSecretThatItHasMade(t *testing.T) {
	tr := newTrial(t)
	tr.opts.Secret = ""
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, client.New("http://127.0.0.1:1", client.Config{}), tr.opts); err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(tr.out.String(), "signing secret  ")
	secret, _, _ := strings.Cut(rest, "\n")
	if _, err := client.NewWebhook(secret); !found || err != nil {
		t.Errorf("got %q: %v", tr.out.String(), err)
	}
}

func TestOptions_areCheckedBeforeAnythingIsAsked(t *testing.T) {
	good := Options{ForwardTo: "http://127.0.0.1:3000/hook", Secret: testSecret, Types: []string{"payment.conflict"}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for text, wrong := range map[string]Options{
		"--forward-to is missing":         {},
		"a URL with http":                 {ForwardTo: "127.0.0.1:3000"},
		"must be a URL":                   {ForwardTo: "http://[::1"},
		"and a host":                      {ForwardTo: "https:///hook"},
		"did you mean payment.succeeded?": {ForwardTo: good.ForwardTo, Types: []string{"payment.suceeded"}},
		"one of payment.":                 {ForwardTo: good.ForwardTo, Types: []string{"everything"}},
		"begins with whsec_":              {ForwardTo: good.ForwardTo, Secret: "hush"},
	} {
		if err := wrong.Check(); err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v, want %s", err, text)
		}
	}
}
