package prefer

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOf_readsTheHeaderAsTheRFCHasIt(t *testing.T) {
	for _, test := range []struct {
		lists []string
		want  Preferences
	}{
		{nil, Preferences{}},
		{[]string{""}, Preferences{}},
		{[]string{"wait=5"}, Preferences{Wait: 5 * time.Second}},
		{[]string{"Wait = 5"}, Preferences{Wait: 5 * time.Second}},
		{[]string{`wait="5"`}, Preferences{Wait: 5 * time.Second}},
		{[]string{`wait="\5"`}, Preferences{Wait: 5 * time.Second}},
		{[]string{"wait=005"}, Preferences{Wait: 5 * time.Second}},
		{[]string{"wait=50"}, Preferences{Wait: 50 * time.Second}},
		{[]string{"wait=51"}, Preferences{Wait: 50 * time.Second}},
		{[]string{"wait=99999999999999999999999999"}, Preferences{Wait: 50 * time.Second}},
		{[]string{"respond-async"}, Preferences{RespondAsync: true}},
		{[]string{`respond-async=""`}, Preferences{RespondAsync: true}},
		{[]string{"respond-async, wait=10"}, Preferences{Wait: 10 * time.Second, RespondAsync: true}},
		{[]string{"respond-async", "wait=10"}, Preferences{Wait: 10 * time.Second, RespondAsync: true}},
		{[]string{" , handling=lenient,,wait=10 ,"}, Preferences{Wait: 10 * time.Second}},
		{[]string{`return=minimal; foo="some, wait=3; parameter"; ; bar=1;, wait=10`}, Preferences{Wait: 10 * time.Second}},
		{[]string{"wait=10; foo=bar"}, Preferences{Wait: 10 * time.Second}},
		{[]string{"wait=1, wait=2", "wait=3"}, Preferences{Wait: time.Second}},
		{[]string{"wait=x, wait=2"}, Preferences{}}, // the first counts, and is none
		{[]string{`foo="wait=1`, "wait=2"}, Preferences{Wait: 2 * time.Second}},
		{[]string{"foo bar, wait=2"}, Preferences{Wait: 2 * time.Second}},
		{[]string{"@, wait=2"}, Preferences{Wait: 2 * time.Second}},
		{[]string{"foo==, wait=2"}, Preferences{Wait: 2 * time.Second}},
		{[]string{"wait"}, Preferences{}},
		{[]string{"wait="}, Preferences{}},
		{[]string{`wait=""`}, Preferences{}},
		{[]string{"wait=0"}, Preferences{}},
		{[]string{"wait=-1"}, Preferences{}},
		{[]string{"wait=1.5"}, Preferences{}},
		{[]string{"wait=5s"}, Preferences{}},
		{[]string{`wait="5`}, Preferences{}},
		{[]string{"wait=5 6"}, Preferences{}},
		{[]string{"awaits=5"}, Preferences{}},
	} {
		if got := Of(http.Header{"Prefer": test.lists}); got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.lists, got, test.want)
		}
	}
}

func TestApplied_saysWhatIsInForce(t *testing.T) {
	h := http.Header{}
	AppliedWait(h, 50*time.Second)
	if got := h.Get("Preference-Applied"); got != "wait=50" {
		t.Errorf("got %q", got)
	}
	AppliedRespondAsync(h)
	if got := h.Get("Preference-Applied"); got != "respond-async" {
		t.Errorf("got %q", got)
	}
}

type observing struct {
	http.ResponseWriter
	waited time.Duration
}

func (o *observing) ObserveWait(waited time.Duration) { o.waited = waited }

type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestObserve_findsWhoWantsToKnow(t *testing.T) {
	o := &observing{ResponseWriter: httptest.NewRecorder()}
	Observe(wrapping{wrapping{o}}, time.Second)
	if o.waited != time.Second {
		t.Errorf("was told of %s", o.waited)
	}
	Observe(wrapping{httptest.NewRecorder()}, time.Second) // nobody
}

func FuzzOf(f *testing.F) {
	f.Add(`return=minimal; foo="some, wait=3"; bar, wait=10`)
	f.Add(`wait="5`)
	f.Fuzz(func(t *testing.T, list string) {
		got := Of(http.Header{"Prefer": {list}})
		if got.Wait < 0 || got.Wait > waitMax || got.Wait%time.Second != 0 {
			t.Errorf("%q: %s", list, got.Wait)
		}
		again := Of(http.Header{"Prefer": {list, "wait=1"}})
		if again.Wait != time.Second && !strings.Contains(strings.ToLower(list), "wait") {
			t.Errorf("%q hides what comes in another header", list)
		}
	})
}
