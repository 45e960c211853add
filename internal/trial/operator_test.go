//go:build trial && crash

package trial

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

const (
	// settleTime is after how long without a word from the payer its books are right.
	settleTime    = 2 * time.Second
	releasePeriod = 500 * time.Millisecond
	releaseTime   = time.Minute // that one command may take
)

// operator is a person who looks at the payer's books and takes parked payments
// further, with commands that die.
type operator struct {
	*siege
	decisions int
}

// parkedPayment is what `paybuf payment list --json` prints, as far as it matters.
type parkedPayment struct {
	ID        payment.ID
	Version   int64
	UpdatedAt time.Time `json:"updated_at"`
}

// operate has payments parked by a payer that can neither be asked nor knows keys,
// and released by commands that die before and after.
func operate(t *testing.T) toll {
	s := newSiege(t, layout{
		nats: 1, shards: 1,
		payer: []string{"--ignore-keys", "--no-lookup", "--latency", "5ms", "--reset-after", "0.2", "--reset-before", "0.2"},
		serve: append([]string{"--payer-no-lookup", "--payer-key-window", "0"}, brisk...),
	}, storm.Config{Seed: 3, Outages: true})
	o := &operator{siege: s}
	blind := s.follow()
	sent := s.send(storm.Wave{Requests: 60, PerSecond: 30}, storm.Tales{})
	s.until("each payment is final", siegeTimeMax, false, func() bool {
		atRest := false
		s.every("release", releasePeriod, func() {
			o.release()
			atRest = sent() && !s.anyOpen()
		})
		return atRest
	})
	blind()
	s.judge()
	return s.toll
}

// anyOpen tells whether a payment is not final.
func (s *siege) anyOpen() bool {
	var kept totals
	output(s.t.Context(), s.t, &kept, "totals", "--json", "--postgres", s.in.postgres)
	var final int64
	for _, state := range payment.States() {
		if state.Final() {
			final += kept.Payments[string(state)]
		}
	}
	return final < int64(s.storm.Accepted())
}

// release decides about each payment that has been parked for long enough.
func (o *operator) release() {
	o.t.Helper()
	var parked []parkedPayment
	output(o.t.Context(), o.t, &parked, "payment", "list", "--limit", "1000", "--json", "--postgres", o.in.postgres)
	for _, p := range parked {
		if time.Since(p.UpdatedAt) < settleTime {
			continue
		}
		args := o.decide(p)
		for _, point := range fault.PointsOf("operator") {
			if err := o.command(point, args); !slain(err) {
				o.t.Errorf("a release was not killed at %s: %v", point, err)
			}
			o.toll.points[point]++
		}
		if err := o.command("", args); err == nil || slain(err) {
			o.t.Errorf("%s was released once more in version %d: %v", p.ID, p.Version, err)
		}
	}
}

// decide is the command that fits what the payer's books say.
func (o *operator) decide(p parkedPayment) []string {
	o.t.Helper()
	o.decisions++
	args := []string{
		"payment", "release", string(p.ID), "--version", strconv.FormatInt(p.Version, 10), "--operator", "siege",
		"--reason", "so say the payer's books", "--postgres", o.in.postgres,
	}
	for charge, err := range simulator.Charges(o.in.ledger) {
		if err != nil {
			o.t.Fatal(err)
		}
		if charge.Reference == string(p.ID) {
			return append(args, "--to", string(payment.Succeeded), "--payer-reference", charge.ID)
		}
	}
	if o.decisions%3 == 0 {
		return append(args, "--to", string(payment.Failed))
	}
	return append(args, "--to", string(payment.Retrying))
}

// command runs a command that dies at a point, if it is told one.
func (o *operator) command(point fault.Point, args []string) error {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), releaseTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, mortal, args...)
	cmd.Env = os.Environ()
	if point != "" {
		cmd.Env = append(cmd.Env, fault.CrashVariable+"="+string(point)+":1")
	}
	err := cmd.Run()
	if ctx.Err() != nil || (err != nil && !errors.As(err, new(*exec.ExitError))) {
		o.t.Fatalf("paybuf %v: %v", args, err)
	}
	return err
}
