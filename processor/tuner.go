package processor

import (
	"time"

	"github.com/paybuf/paybuf/internal/histogram"
)

const (
	// refusalShareMax is the share of refused calls that is taken for chance, among
	// the last refusalMemory or so.
	refusalShareMax = 0.15
	refusalMemory   = 64

	// A window is measured until it holds windowRounds answers per call at once and
	// at least windowAnswers, or for a slow payer until windowMax with one round.
	windowRounds  = 4
	windowAnswers = 128
	windowMin     = 100 * time.Millisecond
	windowMax     = 5 * time.Second

	trialStep    = 1.4  // by which a trial changes the limit
	trialGain    = 0.08 // of goodput, from where on more calls at once are worth it
	slowFactor   = 2.0  // times the usual latency: a reason for a trial
	fastFactor   = 0.7  // of it: the payer has room again
	timedOutMax  = 0.15 // share of calls without an answer: a reason, too
	trialPause   = time.Second
	trialPauseTo = 30 * time.Second
)

// call is what one call of the payer showed.
type call struct {
	took      time.Duration
	refused   bool // by a payer that has too much to do
	timedOut  bool
	full      bool // as many calls as may be were under way when it ended
	throttled bool // it had waited for the rate, so the payer was not the limit
	inFlight  int  // other calls that were under way then
}

// tuner finds how many calls at once the payer bears. Latency alone does not tell:
// a payer that syncs for many calls at once is slower and still does more. So it
// tries: with fewer calls at once when the payer has become slow, with more when
// there were more before, and keeps what brings more answers per second. A payer
// that refuses says it plainly, and gets one call fewer each time.
//
// It has no clock and no lock of its own.
type tuner struct {
	floor, ceiling int
	limit          int
	refusals       float64 // share of refused calls, recent ones weighing more

	window window
	trial  trial
	usual  time.Duration // median latency when the limit was last found right
	next   time.Time     // no trial before it
	pause  time.Duration // between trials; doubles while they fail
}

// window is what is being measured at one limit.
type window struct {
	began                         time.Time
	skip                          int // answers to come that began under another limit
	answers, good, timedOut, full int
	latency                       histogram.Histogram
}

// measure is what a window came to.
type measure struct {
	limit   int
	goodput float64 // answers a second
	median  time.Duration
}

type direction int

const (
	noTrial direction = iota
	fewer
	more
)

// trial is an experiment with another limit. first is what it must stand up to,
// last the last limit that did.
type trial struct {
	direction
	first, last measure
}

func newTuner(floor, ceiling int) tuner {
	return tuner{floor: floor, ceiling: ceiling, limit: ceiling, pause: trialPause}
}

// observe learns from a call that has ended.
func (t *tuner) observe(now time.Time, c call) {
	if t.window.began.IsZero() {
		t.window.began = now
		t.next = now.Add(t.pause)
	}
	if c.refused {
		t.refused(now, c)
		return
	}
	t.refusals -= t.refusals / refusalMemory
	w := &t.window
	if w.skip > 0 {
		if w.skip--; w.skip == 0 {
			w.began = now
		}
		return
	}
	w.add(c)
	if !w.complete(now, t.limit) {
		return
	}
	before, skip := t.limit, 0
	t.judge(now)
	if t.limit != before {
		skip = c.inFlight
	}
	t.measureAnew(now, skip)
}

// refused lowers the limit by the call that was one too many.
func (t *tuner) refused(now time.Time, c call) {
	t.refusals += (1 - t.refusals) / refusalMemory
	if t.refusals <= refusalShareMax {
		return
	}
	if t.trial.direction == more {
		t.pause = min(2*t.pause, trialPauseTo)
	}
	t.limit = max(t.floor, min(t.limit-1, c.inFlight))
	t.trial = trial{}
	t.next = now.Add(t.pause)
	t.measureAnew(now, 0)
}

func (t *tuner) measureAnew(now time.Time, skip int) { t.window = window{began: now, skip: skip} }

// judge draws the conclusion from a window.
func (t *tuner) judge(now time.Time) {
	got := t.window.measure(now, t.limit)
	if !t.window.wasFull() { // work was wanting, so the payer's limit was not felt
		if t.trial.direction != noTrial {
			t.limit = t.trial.first.limit
		}
		t.trial = trial{}
		return
	}
	switch t.trial.direction {
	case fewer:
		t.judgeFewer(now, got)
	case more:
		t.judgeMore(now, got)
	case noTrial:
		t.begin(now, got)
	}
}

// begin starts a trial if there is a reason for one.
func (t *tuner) begin(now time.Time, got measure) {
	may := !now.Before(t.next)
	strange := t.usual == 0 || float64(got.median) > slowFactor*float64(t.usual) ||
		float64(t.window.timedOut) > timedOutMax*float64(t.window.answers)
	faster := float64(got.median) < fastFactor*float64(t.usual)
	switch {
	case may && strange && t.limit > t.floor:
		t.trial = trial{direction: fewer, first: got, last: got}
		t.lower()
	case (may || faster) && t.limit < t.ceiling:
		t.trial = trial{direction: more, first: got, last: got}
		t.raise()
	case t.usual > 0:
		t.usual = min(t.usual, got.median)
	}
}

// judgeFewer goes on down as long as the payer answers as much as before.
func (t *tuner) judgeFewer(now time.Time, got measure) {
	if got.goodput < t.trial.first.goodput*(1-trialGain) {
		t.end(now, t.trial.last, t.trial.last.limit < t.trial.first.limit)
		return
	}
	t.trial.last = got
	if got.limit == t.floor {
		t.end(now, got, true)
		return
	}
	t.lower()
}

// judgeMore goes on up as long as that brings more answers.
func (t *tuner) judgeMore(now time.Time, got measure) {
	last := t.trial.last
	step := float64(got.limit-last.limit) / float64(last.limit) // less than a whole one below the ceiling
	if got.goodput < last.goodput*(1+trialGain*step/(trialStep-1)) {
		t.end(now, last, last.limit > t.trial.first.limit)
		return
	}
	t.trial.last = got
	if got.limit == t.ceiling {
		t.end(now, got, true)
		return
	}
	t.raise()
}

// end keeps what a trial has found right.
func (t *tuner) end(now time.Time, found measure, changed bool) {
	t.limit, t.usual, t.trial = found.limit, found.median, trial{}
	if changed {
		t.pause = trialPause
	} else {
		t.pause = min(2*t.pause, trialPauseTo)
	}
	t.next = now.Add(t.pause)
}

func (t *tuner) lower() { t.limit = max(t.floor, int(float64(t.limit)/trialStep)) }

func (t *tuner) raise() { t.limit = min(t.ceiling, int(float64(t.limit)*trialStep)+1) }

func (w *window) add(c call) {
	w.answers++
	if c.timedOut {
		w.timedOut++
	} else {
		w.good++
	}
	if c.full && !c.throttled {
		w.full++
	}
	w.latency.Add(c.took)
}

func (w *window) complete(now time.Time, limit int) bool {
	lasted := now.Sub(w.began)
	return lasted >= windowMin &&
		(w.answers >= max(windowRounds*limit, windowAnswers) || (lasted >= windowMax && w.answers >= limit))
}

// wasFull tells that the limit was felt nearly all the time.
func (w *window) wasFull() bool { return 10*w.full >= 9*w.answers }

func (w *window) measure(now time.Time, limit int) measure {
	return measure{
		limit:   limit,
		goodput: float64(w.good) / now.Sub(w.began).Seconds(),
		median:  w.latency.Quantile(0.5),
	}
}
