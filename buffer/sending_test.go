package buffer

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func newSending(now time.Time) *sending {
	return &sending{deadline: now.Add(5 * time.Second), resendAt: now.Add(time.Second), done: make(chan struct{})}
}

func told(s *sending) bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func TestSending_endsWhenJournalAndStreamHaveIt(t *testing.T) {
	now := time.Now()
	for name, steps := range map[string][2]func(*sending) bool{
		"journal first": {
			func(s *sending) bool { return s.keep(nil) },
			func(s *sending) bool { return s.hear(ack{Sequence: 7}, now) },
		},
		"stream first": {
			func(s *sending) bool { return s.hear(ack{Sequence: 7}, now) },
			func(s *sending) bool { return s.keep(nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSending(now)
			if steps[0](s) || told(s) {
				t.Fatal("ended half done")
			}
			if !steps[1](s) || !told(s) {
				t.Fatal("did not end")
			}
			if result, err := s.outcome(); err != nil || result.Sequence != 7 {
				t.Errorf("got %+v, %v", result, err)
			}
			if s.hear(ack{Sequence: 8}, now) {
				t.Error("ended twice")
			}
		})
	}
}

func TestSending_aheadTellsItsSenderOnceTheJournalHasIt(t *testing.T) {
	now := time.Now()
	s := newSending(now)
	s.ahead = true
	var late []ack
	s.late = func(a ack) { late = append(late, a) }
	if s.keep(nil) || !told(s) {
		t.Fatal("the sender still waits, or the stream's answer no longer counts")
	}
	if !s.hear(ack{Sequence: 7, Duplicate: true}, now) {
		t.Fatal("the stream's answer did not end it")
	}
	if result, err := s.outcome(); err != nil || result != (ack{}) {
		t.Errorf("the sender's outcome changed to %+v, %v", result, err)
	}
	if len(late) != 1 || !late[0].Duplicate {
		t.Errorf("late answers: %+v", late)
	}
}

func TestSending_aRefusalIsCertainOnlyIfNoSendingIsInDoubt(t *testing.T) {
	now := time.Now()
	full := ack{err: &streamError{Code: codeStoreFailed, Description: "full"}}
	for name, test := range map[string]struct {
		before  func(*sending)
		certain bool
	}{
		"the first sending":              {func(*sending) {}, true},
		"after one that no server took":  {func(s *sending) { s.hear(ack{err: errNoStream}, now) }, true},
		"after one without an answer":    {func(s *sending) { s.overdue(now.Add(2 * time.Second)) }, false},
		"after one that the link ate":    {func(s *sending) { s.hear(ack{err: nats.ErrConnectionClosed}, now) }, false},
		"no server, then without answer": {func(s *sending) { s.hear(ack{err: errNoStream}, now); s.overdue(now.Add(2 * time.Second)) }, false},
		"without answer, then no server": {func(s *sending) { s.overdue(now.Add(2 * time.Second)); s.hear(ack{err: errNoStream}, now) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSending(now)
			test.before(s)
			if !s.hear(full, now) {
				t.Fatal("did not end")
			}
			_, err := s.outcome()
			if _, certain := errors.AsType[*roomError](err); certain != test.certain {
				t.Errorf("certain: %t, want %t (%v)", certain, test.certain, err)
			}
		})
	}
}

func TestSending_isSentAgainUntilItsDeadline(t *testing.T) {
	now := time.Now()
	s := newSending(now)
	if again, _ := s.overdue(now.Add(900 * time.Millisecond)); again {
		t.Error("sent again too early")
	}
	if again, _ := s.overdue(now.Add(time.Second)); !again {
		t.Error("not sent again in time")
	}
	if again, _ := s.overdue(now.Add(1100 * time.Millisecond)); again {
		t.Error("sent again twice for one silence")
	}
	if s.hear(ack{err: errNoStream}, now.Add(1200*time.Millisecond)) {
		t.Error("ended because no server was there for a moment")
	}
	if again, _ := s.overdue(now.Add(1300 * time.Millisecond)); !again {
		t.Error("not sent again soon after no server took it")
	}
	if _, ended := s.overdue(now.Add(5001 * time.Millisecond)); !ended || !told(s) {
		t.Error("did not end at its deadline")
	}
	if _, err := s.outcome(); !errors.Is(err, errPutTimeout) {
		t.Errorf("ended with %v", err)
	}
}

func TestParseAck_bothWaysOfReadingAgree(t *testing.T) {
	for text, want := range map[string]ack{
		`{"stream":"PAYBUF_0","seq":17}`:                                     {Sequence: 17},
		`{"stream":"PAYBUF_0","seq":17,"duplicate": true}`:                   {Sequence: 17, Duplicate: true},
		`{"stream":"PAYBUF_0","domain":"hub","seq":17}`:                      {Sequence: 17},
		`{"stream":"PAYBUF_0","seq":17,"domain":"hub"}`:                      {Sequence: 17},
		`{"seq":17,"stream":"PAYBUF_0"}`:                                     {Sequence: 17},
		`{"error":{"code":400,"err_code":10071,"description":"wrong last"}}`: {taken: true},
	} {
		if got := parseAck(&nats.Msg{Data: []byte(text)}); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{
		``, `{}`, `{"stream":"S","seq":0}`, `{"stream":"S","seq":-1}`, `{"stream":"S","seq":18446744073709551616}`,
		`{"stream":"S","seq":1`, `{"stream":"S","seq":}`, `{"stream":"S","seq":1}}`, `{"error":{"err_code":10077}}`,
	} {
		if got := parseAck(&nats.Msg{Data: []byte(text)}); got.err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}
