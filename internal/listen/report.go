package listen

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/paybuf/paybuf/client"
)

// report writes a line about each event and counts them. A terminal that is gone has
// nobody to be told.
type report struct {
	mu  sync.Mutex
	out io.Writer

	forwardedCount, skippedCount, leftOutCount int
}

func (r *report) secret(secret string) {
	r.say("signing secret  %s\n                (of this run only; --secret takes one of yours)\n", secret)
}

func (r *report) begin(forwardTo, cursor string) {
	r.say("forwarding to   %s\nfrom            %s\nCtrl-C ends it.\n", forwardTo, cursor)
}

func (r *report) forwarded(event client.Event, got result) {
	r.count(&r.forwardedCount)
	r.line(event, got, "")
}

func (r *report) again(event client.Event, got result, pause time.Duration) {
	r.line(event, got, "again in "+pause.String())
}

func (r *report) skipped(event client.Event, got result, tries int) {
	r.count(&r.skippedCount)
	r.line(event, got, "SKIPPED after "+strconv.Itoa(tries)+" tries")
}

func (r *report) leftOut() { r.count(&r.leftOutCount) }

func (r *report) count(what *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*what++
}

// line tells what came of a request. What the program has answered is quoted: it may hold
// anything.
func (r *report) line(event client.Event, got result, then string) {
	status := strconv.Itoa(got.status)
	why := ""
	switch {
	case got.err != nil:
		status, why = "---", "  "+got.err.Error()
	case got.excerpt != "":
		why = "  " + strconv.Quote(got.excerpt)
	}
	if then != "" {
		why += "  " + then
	}
	r.say("%s  %-18s %-30s %s  %s%s\n", time.Now().Format(time.TimeOnly), event.Type, event.PaymentID,
		status, rounded(got.took), why)
}

func rounded(took time.Duration) time.Duration {
	if took < 10*time.Millisecond {
		return took.Round(10 * time.Microsecond)
	}
	return took.Round(time.Millisecond)
}

// summary is the last that is said.
func (r *report) summary(cursor string) {
	leftOut := ""
	if r.leftOutCount > 0 {
		leftOut = fmt.Sprintf(", %d of other types", r.leftOutCount)
	}
	r.say("%d forwarded, %d skipped%s; the next time from --after %s\n",
		r.forwardedCount, r.skippedCount, leftOut, cursor)
}

func (r *report) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.out, format, args...)
}
