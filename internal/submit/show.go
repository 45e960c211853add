package submit

import "io"

// Progress shows how far another command has come, in the way of this one: a bar
// on a terminal, a line now and then elsewhere. Its methods are for one goroutine.
type Progress struct {
	display display
	meter   *meter // nil between two phases
}

// NewProgress draws on out, unless quiet.
func NewProgress(out io.Writer, quiet bool) *Progress {
	return &Progress{display: newDisplay(out, quiet)}
}

// Begin begins a phase such as "reading", in which nouns such as "lines" are
// counted; total is of what Advance calls done, 0 if nobody knows.
func (p *Progress) Begin(phase, noun string, total int64) {
	p.End()
	p.meter = newMeter(phase, noun, total)
	p.display.begin(p.meter)
}

// Advance tells how far the phase has come.
func (p *Progress) Advance(done, count int64) {
	if p.meter == nil {
		return
	}
	p.meter.mu.Lock()
	defer p.meter.mu.Unlock()
	p.meter.done, p.meter.count = done, count
}

// End ends the phase, if there is one.
func (p *Progress) End() {
	if p.meter != nil {
		p.display.end()
		p.meter = nil
	}
}

// Printable makes a text that came from outside fit for a terminal.
func Printable(text string) string { return printable(text) }
