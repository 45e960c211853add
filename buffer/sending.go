package buffer

import (
	"errors"
	"sync"
	"time"
)

// message is what is to be stored.
type message struct {
	subject string
	id      string // by which the stream tells a repetition
	body    []byte
	receipt []byte  // journal record to write meanwhile, nil if none
	health  *health // of the stream, to be told if it does not answer; nil if nobody cares
	follows string  // sequence that the subject's last message must have, "0" for none, "" for any

	// ahead is for a sender that waits for the journal alone. If the stream's answer
	// comes after that, it goes to late, which must not wait for anything.
	ahead bool
	late  func(ack)
}

// sending is one message on its way to the stream and, if it has a receipt, to
// this node's journal. It ends when both have it, when one of them refuses it, or
// at its deadline; done is closed then, or as soon as its sender need not wait.
type sending struct {
	message
	token    uint64
	deadline time.Time

	mu       sync.Mutex
	kept     bool // the receipt is durable, or there is none
	answered bool // the stream has stored it
	ended    bool
	resendAt time.Time
	doubt    error // why an earlier sending may have been stored or not; nil if none
	told     bool  // done is closed
	result   ack
	err      error
	done     chan struct{}
}

// outcome is what the sender waited for, once done is closed.
func (s *sending) outcome() (ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result, s.err
}

// over tells that nobody waits for it any more and nothing would come of it.
func (s *sending) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// roomError is a refusal of something that is certainly not on the stream.
type roomError struct{ cause error }

func (e *roomError) Error() string { return e.cause.Error() }
func (e *roomError) Unwrap() error { return e.cause }

// end makes the outcome final and reports whether it was not so before. The
// caller holds mu.
func (s *sending) end(err error) bool {
	if s.ended || (err == nil && (!s.kept || !s.answered)) {
		return false
	}
	s.ended = true
	if !s.told {
		s.err = err
	}
	s.tell()
	return true
}

// tell lets the sender go on. The caller holds mu.
func (s *sending) tell() {
	if !s.told {
		s.told = true
		close(s.done)
	}
}

// hear takes the stream's answer in. A refusal after a sending whose fate is open
// proves nothing about that one.
func (s *sending) hear(answer ack, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case answer.err == nil:
		s.answered = true
		switch {
		case !s.told:
			s.result = answer
		case s.late != nil:
			s.late(answer)
		}
		return s.end(nil)
	case isFull(answer.err) && s.ahead: // not a matter of room for its sender
		s.resendAt = now.Add(resendAfter)
		return false
	case isFull(answer.err) && !mayBeStored(s.doubt):
		return s.end(&roomError{answer.err})
	case isFull(answer.err):
		return s.end(errors.Join(answer.err, s.doubt))
	}
	if s.health != nil && errors.Is(answer.err, errNoStream) {
		s.health.silent(s.message)
	}
	s.doubtThat(answer.err)
	s.resendAt = now.Add(refusedPause)
	return false
}

// keep takes the journal's answer in.
func (s *sending) keep(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = err == nil
	if s.kept && s.ahead {
		s.tell()
	}
	return s.end(err)
}

// overdue tells whether it is time to send again, or ends what had its time.
func (s *sending) overdue(now time.Time) (again, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return false, false
	case now.After(s.deadline), !s.ahead && s.health != nil && s.health.failed():
		s.noteSilence()
		return false, s.end(errors.Join(errPutTimeout, s.doubt))
	case s.answered || now.Before(s.resendAt):
		return false, false
	}
	s.noteSilence()
	s.doubtThat(errPutTimeout)
	s.resendAt = now.Add(resendAfter)
	return true, false
}

// noteSilence tells the stream's health that it has not answered.
func (s *sending) noteSilence() {
	if s.health != nil && !s.answered {
		s.health.silent(s.message)
	}
}

// giveUp ends the wait. Whether the message is stored is not known.
func (s *sending) giveUp(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(errors.Join(err, s.doubt))
}

// doubtThat notes why the message may be stored although nobody said so. The
// first such reason counts.
func (s *sending) doubtThat(err error) {
	if !mayBeStored(s.doubt) {
		s.doubt = err
	}
}

// mayBeStored tells whether a sending that ended with err left the request's fate
// open: only who was told that no server took it knows that it is not stored.
func mayBeStored(err error) bool {
	return err != nil && !errors.Is(err, errNoStream)
}
