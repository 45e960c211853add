package submit

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMeter_tellsCountRateTimeLeftAndTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter("sending", "requests", 10_000)
		want := func(text string) {
			t.Helper()
			if got := m.text(time.Now()); got != text {
				t.Errorf("got  %q\nwant %q", got, text)
			}
		}
		want("0 requests, 0/s")
		time.Sleep(4 * time.Second)
		for range 2000 {
			m.advance(1)
		}
		want("2,000 requests, 500/s, 16s left")
		m.retried(&url.Error{Op: "Post", URL: "http://host", Err: errors.New("refused\x1b[2J")})
		want("2,000 requests, 500/s, 16s left, 1 retries: refused [2J")
		m.answered()
		m.finish()
		want("2,000 requests, 500/s, 1 retries")
	})
}

func TestMeter_theRateFollowsWhatHappensNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter("sending", "requests", 0)
		for range 60 { // a minute of 100 a second
			time.Sleep(time.Second)
			for range 100 {
				m.advance(1)
			}
			m.text(time.Now())
		}
		if m.perSecond < 99.9 || m.perSecond > 100.1 {
			t.Errorf("steady: %f", m.perSecond)
		}
		for range 10 { // silence
			time.Sleep(time.Second)
			m.text(time.Now())
		}
		if m.perSecond > 5 {
			t.Errorf("after silence: %f", m.perSecond)
		}
	})
}

func TestMeter_hasNoShareOfAnUnknownTotal(t *testing.T) {
	m := newMeter("sending", "requests", 0)
	m.advance(100)
	if done, total := m.progress(); done != 0 || total != 0 {
		t.Errorf("got %d of %d", done, total)
	}
	grown := newMeter("sending", "requests", 50) // the file grew while it was read
	grown.advance(100)
	if done, total := grown.progress(); done != 50 || total != 50 {
		t.Errorf("got %d of %d", done, total)
	}
}

func TestLineDisplay_writesALineNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := &lineDisplay{out: &out, every: linesEvery}
		m := newMeter("sending", "requests", 200)
		d.begin(m)
		m.advance(50)
		time.Sleep(2*linesEvery + time.Second)
		d.end()
		const want = "sending: 25%, 1 requests, 0/s, 15s left\nsending: 25%, 1 requests, 0/s, 30s left\n"
		if got := out.String(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestBarDisplay_drawsShareAndText(t *testing.T) {
	for name, c := range map[string]struct {
		total int64
		want  []string
	}{
		"a known total":   {200, []string{"sending", " 25 %", "[======", "1 requests"}},
		"an unknown size": {0, []string{"sending", "1 requests"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			d := &barDisplay{out: &out}
			m := newMeter("sending", "requests", c.total)
			m.advance(50)
			d.begin(m)
			d.end()
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %q, want %q", out.String(), want)
				}
			}
		})
	}
}

func TestNewDisplay_isQuietIfAskedAndDrawsOnlyOnTerminals(t *testing.T) {
	if _, ok := newDisplay(&bytes.Buffer{}, true).(noDisplay); !ok {
		t.Error("not quiet")
	}
	if _, ok := newDisplay(&bytes.Buffer{}, false).(*lineDisplay); !ok {
		t.Error("draws on what is no terminal")
	}
}
