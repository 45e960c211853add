package simulator

import "time"

// rateSlack forgives sums such as 0.1 + 0.2 + 0.7.
const rateSlack = 1e-9

// fault is what goes wrong with one send or look-up.
type fault int

const (
	noFault fault = iota
	faultUnavailable
	faultRateLimited
	faultErrorBefore
	faultErrorAfter
	faultResetBefore
	faultResetAfter
	faultHang
	faultWrongAmount
	faultGarbage
	faultErrorKept
	faultErrorUsed
	faultInProgress
)

// A draw is named, so that a reference has independent ones. The numbers are
// part of what a seed means and never change.
type draw uint64

const (
	drawFault draw = iota + 1
	drawOutcome
	drawDecision
	drawLate
	drawJitter
	drawLookup
	drawDouble
	drawSettled
	drawVoid
)

type rate struct {
	name  string
	fault fault
	value float64
}

func (f Faults) rates() []rate {
	return []rate{
		{"Unavailable", faultUnavailable, f.Unavailable},
		{"RateLimited", faultRateLimited, f.RateLimited},
		{"ErrorBefore", faultErrorBefore, f.ErrorBefore},
		{"ErrorAfter", faultErrorAfter, f.ErrorAfter},
		{"ResetBefore", faultResetBefore, f.ResetBefore},
		{"ResetAfter", faultResetAfter, f.ResetAfter},
		{"Hang", faultHang, f.Hang},
		{"WrongAmount", faultWrongAmount, f.WrongAmount},
		{"Garbage", faultGarbage, f.Garbage},
		{"ErrorKept", faultErrorKept, f.ErrorKept},
		{"ErrorUsed", faultErrorUsed, f.ErrorUsed},
		{"InProgress", faultInProgress, f.InProgress},
	}
}

func (f LookupFaults) rates() []rate {
	return []rate{
		{"Unavailable", faultUnavailable, f.Unavailable},
		{"Error", faultErrorBefore, f.Error},
		{"Hang", faultHang, f.Hang},
	}
}

// plan is what happens to one send.
type plan struct {
	fault  fault
	wait   time.Duration // before anything else
	status status        // what the payer says at once: succeeded, declined or pending
	late   time.Duration // how long look-ups miss it
	double bool          // it is charged twice, by the payer's own mistake
}

// planSend draws the fate of a reference's n-th send, n from 1.
func (o Options) planSend(reference string, n int64) plan {
	at := func(d draw) float64 { return uniform(o.Seed, reference, n, d) }
	p := plan{
		wait:   o.Latency + time.Duration(float64(o.Jitter)*at(drawJitter)),
		status: succeeded,
	}
	if o.Faults.SendsMax == 0 || n <= int64(o.Faults.SendsMax) {
		p.fault = pick(o.Faults.rates(), at(drawFault))
	}
	switch outcome := at(drawOutcome); {
	case outcome < o.Decline:
		p.status = declined
	case outcome < o.Decline+o.Pending:
		p.status = pending
	}
	if at(drawLate) < o.Faults.Late {
		p.late = o.Faults.LateFor
	}
	p.double = at(drawDouble) < o.Double
	return p
}

// decide draws what a pending charge of a reference becomes. It does not depend
// on the send, which is forgotten over a restart.
func (o Options) decide(reference string) status {
	if uniform(o.Seed, reference, 0, drawDecision) < o.PendingDecline {
		return declined
	}
	return succeeded
}

// planLookup draws what goes wrong with a reference's n-th look-up, n from 1.
func (o Options) planLookup(reference string, n int64) fault {
	return pick(o.Lookups.rates(), uniform(o.Seed, reference, n, drawLookup))
}

// settles draws whether a reference's charges can no longer be taken back.
func (o Options) settles(reference string) bool {
	return uniform(o.Seed, reference, 0, drawSettled) < o.Voids.Settled
}

// planVoid draws what goes wrong with a reference's n-th void, n from 1.
func (o Options) planVoid(reference string, n int64) fault {
	if uniform(o.Seed, reference, n, drawVoid) < o.Voids.Lost {
		return faultErrorAfter
	}
	return noFault
}

func pick(rates []rate, drawn float64) fault {
	for _, r := range rates {
		if drawn < r.value {
			return r.fault
		}
		drawn -= r.value
	}
	return noFault
}

// uniform gives a number in [0, 1) that depends on nothing but its arguments:
// FNV-1a over the reference, mixed with the rest by SplitMix64's finaliser.
func uniform(seed uint64, reference string, n int64, d draw) float64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for i := range len(reference) {
		hash = (hash ^ uint64(reference[i])) * prime
	}
	for _, part := range []uint64{seed, uint64(n), uint64(d)} { //nolint:gosec // n counts from 1
		hash = mix(hash ^ mix(part))
	}
	return float64(hash>>11) / (1 << 53)
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
