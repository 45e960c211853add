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
	receipt []byte // journal record to write meanwhile, nil if none
	follows string // sequence that the subject's last message must have, "0" for none, "" for any
}

// sending is one message on its way to the stream and, if it has a receipt, to
// this node's journal. It ends when both have it, when one of them refuses it, or
// at its deadline; done is closed then, and result and err are final.
type sending struct {
	message
	token    uint64
	deadline time.Time

	mu       sync.Mutex
	kept     bool // the receipt is durable, or there is none
	answered bool // the stream has stored it
	ended    bool
	resent   bool // not the first time, or about to be
	resendAt time.Time
	doubt    error // why an earlier sending may have been stored or not; nil if none
	result   ack
	err      error
	done     chan struct{}
}

// roomError is a refusal that leaves nothing behind.
type roomError struct{ cause error }

func (e *roomError) Error() string { return e.cause.Error() }
func (e *roomError) Unwrap() error { return e.cause }

// end makes the outcome final and reports whether it was not so before. The
// caller holds mu.
func (s *sending) end(err error) bool {
	if s.ended || (err == nil && !(s.kept && s.answered)) {
		return false
	}
	s.ended, s.err = true, err
	close(s.done)
	return true
}

// hear takes the stream's answer in. A refusal after a sending whose fate is open
// proves nothing about that one.
func (s *sending) hear(answer ack, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case answer.err == nil:
		answer.resent = s.resent
		s.result, s.answered = answer, true
		return s.end(nil)
	case isFull(answer.err) && !mayBeStored(s.doubt):
		return s.end(&roomError{answer.err})
	case isFull(answer.err):
		return s.end(errors.Join(answer.err, s.doubt))
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
	return s.end(err)
}

// overdue tells whether it is time to send again, or ends what had its time.
func (s *sending) overdue(now time.Time) (again, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return false, false
	case now.After(s.deadline):
		return false, s.end(errors.Join(errPutTimeout, s.doubt))
	case s.answered || now.Before(s.resendAt):
		return false, false
	}
	s.doubtThat(errPutTimeout)
	s.resendAt = now.Add(resendAfter)
	return true, false
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
	s.resent = true
	if !mayBeStored(s.doubt) {
		s.doubt = err
	}
}

// mayBeStored tells whether a sending that ended with err left the request's fate
// open: only who was told that no server took it knows that it is not stored.
func mayBeStored(err error) bool {
	return err != nil && !errors.Is(err, errNoStream)
}
