package parking_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/paybuf/paybuf/internal/parking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is more than anything here may take.
const patience = 30 * time.Second

// site is a server whose requests for /wait are parked until they are released.
type site struct {
	*parking.Lot
	server *httptest.Server

	mu     sync.Mutex
	waits  map[*wait]struct{}
	full   bool // nobody may wait
	at     bool // waits are over before they begin
	served atomic.Int64
	firsts atomic.Int64 // that were parked
	inside atomic.Int64 // handlers at work
	most   atomic.Int64 // of these
	slow   chan struct{}
}

type wait struct {
	over func()
	path string
}

func open(t *testing.T, cfg parking.Config) *site {
	t.Helper()
	s := &site{Lot: parking.New(cfg), waits: map[*wait]struct{}{}}
	s.server = httptest.NewUnstartedServer(s.Handler(http.HandlerFunc(s.serve)))
	s.server.Config.ConnContext = s.ConnContext
	s.server.Start()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	running.Go(func() {
		if err := s.server.Config.Serve(s.Lot); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		s.server.Config.Close() // of both listeners
		s.server.Close()
		running.Wait()
		if left := s.Stats().Connections; left != 0 {
			t.Errorf("%d connections are left", left)
		}
	})
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	if note := s.Note(r); note != nil {
		s.most.Store(max(s.most.Load(), s.inside.Add(1)))
		defer s.inside.Add(-1)
		if s.slow != nil {
			<-s.slow
		}
		s.served.Add(1)
		fmt.Fprintf(w, "waited %s %s %s", note, r.URL.Path, r.Header.Get("X-Word"))
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/wait") {
		fmt.Fprintf(w, "at once %s", r.URL.Path)
		return
	}
	mine := &wait{path: r.URL.Path}
	parked := s.Park(w, r, "note of "+r.URL.Path, func(over func()) (func() bool, bool) {
		mine.over = over
		return s.begin(mine)
	})
	if parked {
		s.firsts.Add(1)
		return
	}
	fmt.Fprintf(w, "refused %s", r.URL.Path)
}

func (s *site) begin(mine *wait) (func() bool, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.full:
		return nil, false
	case s.at:
		mine.over()
		return func() bool { return false }, true
	}
	s.waits[mine] = struct{}{}
	return func() bool { return s.take(mine) }, true
}

func (s *site) take(w *wait) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.waits[w]
	delete(s.waits, w)
	return there
}

func (s *site) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waits)
}

// release ends all waits.
func (s *site) release() {
	s.mu.Lock()
	waits := s.waits
	s.waits = map[*wait]struct{}{}
	s.mu.Unlock()
	for w := range waits {
		w.over()
	}
}

// client is one connection.
type client struct {
	t *testing.T
	net.Conn
	answers *bufio.Reader
}

func (s *site) dial(t *testing.T) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t, conn, bufio.NewReaderSize(conn, 1<<10)}
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\nHost: here\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// want reads one answer.
func (c *client) want(want string) {
	c.t.Helper()
	c.wantTo(http.MethodGet, want)
}

func (c *client) wantTo(method, want string) *http.Response {
	c.t.Helper()
	response, err := http.ReadResponse(c.answers, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("%s: %v", want, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != want {
		c.t.Fatalf("got %q, want %q: %v", body, want, err)
	}
	return response
}

// until polls.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// await waits until that many connections are parked and their server has let go.
func (s *site) await(t *testing.T, count int) {
	t.Helper()
	until(t, fmt.Sprintf("%d wait", count), func() bool { return s.waiting() == count })
}

func TestPark_aConnectionServesOnAfterIt(t *testing.T) {
	s := open(t, parking.Config{})
	c := s.dial(t)
	for i := range 5 {
		path := fmt.Sprintf("/wait/%d", i)
		c.send("GET "+path+" HTTP/1.1", "X-Word: hello")
		s.await(t, 1)
		s.release()
		c.want("waited note of " + path + " " + path + " hello")
		c.send("GET /plain HTTP/1.1")
		c.want("at once /plain")
	}
	if s.served.Load() != 5 || s.firsts.Load() != 5 {
		t.Errorf("%d served of %d", s.served.Load(), s.firsts.Load())
	}
}

func TestPark_theNoteIsForOneRequest(t *testing.T) {
	s := open(t, parking.Config{})
	c := s.dial(t)
	c.send("GET /wait/1 HTTP/1.1")
	s.await(t, 1)
	s.release()
	c.want("waited note of /wait/1 /wait/1 ")
	c.send("GET /wait/2 HTTP/1.1")
	s.await(t, 1) // it waits by itself
	s.release()
	c.want("waited note of /wait/2 /wait/2 ")
}

func TestPark_whatWasSentAheadIsServedAfterIt(t *testing.T) {
	s := open(t, parking.Config{})
	c := s.dial(t)
	requests := ""
	for _, path := range []string{"/wait/1", "/plain/2", "/wait/3", "/plain/4", "/wait/5"} {
		requests += "GET " + path + " HTTP/1.1\r\nHost: here\r\n\r\n"
	}
	if _, err := io.WriteString(c, requests); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/wait/1", "/plain/2", "/wait/3", "/plain/4", "/wait/5"} {
		if strings.HasPrefix(path, "/plain") {
			c.want("at once " + path)
			continue
		}
		s.await(t, 1)
		c.Write([]byte("\r\n")) // between requests that is nothing; it comes while parked
		s.release()
		c.want("waited note of " + path + " " + path + " ")
	}
}

func TestPark_sentWhileParkedIsServedAfterIt(t *testing.T) {
	s := open(t, parking.Config{LookEvery: time.Millisecond})
	c := s.dial(t)
	c.send("GET /wait/1 HTTP/1.1")
	s.await(t, 1)
	c.send("GET /plain/2 HTTP/1.1")
	s.release()
	c.want("waited note of /wait/1 /wait/1 ")
	c.want("at once /plain/2")
}

func TestPark_aHeadHasNoBody(t *testing.T) {
	s := open(t, parking.Config{})
	c := s.dial(t)
	c.send("HEAD /wait/1 HTTP/1.1")
	s.await(t, 1)
	s.release()
	got := c.wantTo(http.MethodHead, "")
	if got.ContentLength != int64(len("waited note of /wait/1 /wait/1 ")) {
		t.Errorf("the length is %d", got.ContentLength)
	}
	c.send("GET /plain HTTP/1.1")
	c.want("at once /plain")
}

func TestPark_aConnectionThatIsToCloseCloses(t *testing.T) {
	s := open(t, parking.Config{})
	c := s.dial(t)
	c.send("GET /wait/1 HTTP/1.1", "Connection: close")
	s.await(t, 1)
	s.release()
	c.want("waited note of /wait/1 /wait/1 ")
	if _, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestPark_whatCannotBeParkedIsLeftToTheServer(t *testing.T) {
	s := open(t, parking.Config{})
	for name, lines := range map[string][]string{
		"a body":             {"GET /wait HTTP/1.1", "Content-Length: 2\r\nHost: here\r\n\r\nhi"},
		"a body of chunks":   {"GET /wait HTTP/1.1", "Transfer-Encoding: chunked\r\nHost: here\r\n\r\n0\r\n"},
		"another method":     {"POST /wait HTTP/1.1"},
		"HTTP/1.0":           {"GET /wait HTTP/1.0"},
		"too long a request": {"GET /wait HTTP/1.1", "X-Word: " + strings.Repeat("x", 4<<10)},
	} {
		c := s.dial(t)
		c.send(lines...)
		c.want("refused /wait")
		if s.firsts.Load() > 0 || s.Stats().Connections > 0 {
			t.Errorf("%s: it was parked", name)
		}
	}
	recorded := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/wait", http.NoBody)
	s.serve(recorded, request)
	if recorded.Body.String() != "refused /wait" || s.waiting() != 0 {
		t.Errorf("without a connection: %q, %d wait", recorded.Body, s.waiting())
	}
}

func TestPark_withoutAPlaceTheServerAnswers(t *testing.T) {
	s := open(t, parking.Config{ConnectionsMax: 1})
	first, second := s.dial(t), s.dial(t)
	first.send("GET /wait/1 HTTP/1.1")
	s.await(t, 1)
	second.send("GET /wait/2 HTTP/1.1")
	second.want("refused /wait/2")
	s.release()
	first.want("waited note of /wait/1 /wait/1 ")
	s.mu.Lock()
	s.full = true
	s.mu.Unlock()
	second.send("GET /wait/3 HTTP/1.1")
	second.want("refused /wait/3")
}

func TestPark_aWaitThatIsOverAtOnceIsAnswered(t *testing.T) {
	s := open(t, parking.Config{})
	s.at = true
	c := s.dial(t)
	for range 20 {
		c.send("GET /wait/1 HTTP/1.1")
		c.want("waited note of /wait/1 /wait/1 ")
	}
}

func TestRun_aClientThatLeavesFreesItsPlace(t *testing.T) {
	s := open(t, parking.Config{LookEvery: time.Millisecond})
	leaving, staying := s.dial(t), s.dial(t)
	leaving.send("GET /wait/1 HTTP/1.1")
	staying.send("GET /wait/2 HTTP/1.1")
	s.await(t, 2)
	leaving.Close()
	until(t, "one is left", func() bool { return s.Stats().Connections == 1 && s.waiting() == 1 })
	s.release()
	staying.want("waited note of /wait/2 /wait/2 ")
	if s.served.Load() != 1 {
		t.Errorf("%d were served", s.served.Load())
	}
}

// crowd parks many.
func (s *site) crowd(t *testing.T, count int) []*client {
	t.Helper()
	crowd := make([]*client, count)
	for i := range crowd {
		crowd[i] = s.dial(t)
		crowd[i].send(fmt.Sprintf("GET /wait/%d HTTP/1.1", i))
	}
	s.await(t, count)
	return crowd
}

func wantAll(crowd []*client) {
	for i, c := range crowd {
		c.want(fmt.Sprintf("waited note of /wait/%d /wait/%d ", i, i))
	}
}

func TestPark_whoWaitsHasNoGoroutine(t *testing.T) {
	s := open(t, parking.Config{})
	before := runtime.NumGoroutine()
	crowd := s.crowd(t, 500)
	const others = 20 // that come and go
	until(t, "no goroutine waits", func() bool { return runtime.NumGoroutine() < before+others })
	s.release()
	wantAll(crowd)
}

func TestAccept_aThousandAtOnceAreAnsweredAFewAtATime(t *testing.T) {
	const few = 8
	s := open(t, parking.Config{AnswersMax: few})
	crowd := s.crowd(t, 1000)
	s.release()
	wantAll(crowd)
	if most := s.most.Load(); most > few {
		t.Errorf("%d were answered at once", most)
	}
}

func TestAccept_anAnswerThatTakesLongHoldsNobodyUp(t *testing.T) {
	s := open(t, parking.Config{AnswersMax: 1})
	s.slow = make(chan struct{}, 2)
	crowd := s.crowd(t, 2)
	s.release()
	until(t, "both are being answered", func() bool { return s.inside.Load() == 2 })
	s.slow <- struct{}{}
	s.slow <- struct{}{}
	wantAll(crowd)
}

func TestDrain_waitsForAllToComeBack(t *testing.T) {
	s := open(t, parking.Config{})
	crowd := s.crowd(t, 100)
	hasty, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errHaste)
	defer cancel()
	if err := s.Drain(hasty); !errors.Is(err, errHaste) {
		t.Errorf("got %v", err)
	}
	late := s.dial(t)
	late.send("GET /wait/late HTTP/1.1")
	late.want("refused /wait/late")
	s.release()
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.server.Config.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	wantAll(crowd)
}

var errHaste = errors.New("in haste")

func TestClose_closesWhoIsParked(t *testing.T) {
	s := open(t, parking.Config{})
	crowd := s.crowd(t, 10)
	if err := errors.Join(s.server.Config.Close(), s.Close()); err != nil { // the server closes its listeners
		t.Error(err)
	}
	for _, c := range crowd {
		if _, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
	if s.waiting() != 0 {
		t.Errorf("%d wait on", s.waiting())
	}
	if _, err := s.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
