package submit

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

const (
	barEvery   = 150 * time.Millisecond
	linesEvery = 5 * time.Second
	barWidth   = 30
)

// display shows one phase after the other while it runs.
type display interface {
	begin(m *meter)
	end()
}

// newDisplay draws a bar if out is a terminal, and writes a line now and then if
// it is a file or a pipe.
func newDisplay(out io.Writer, quiet bool) display {
	if quiet {
		return noDisplay{}
	}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &barDisplay{out: out}
	}
	return &lineDisplay{out: out, every: linesEvery}
}

type noDisplay struct{}

func (noDisplay) begin(*meter) {}
func (noDisplay) end()         {}

// repeater calls a function at intervals until it is stopped.
type repeater struct {
	stopping chan struct{}
	running  sync.WaitGroup
}

func repeat(every time.Duration, do func()) *repeater {
	r := &repeater{stopping: make(chan struct{})}
	r.running.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				do()
			case <-r.stopping:
				return
			}
		}
	})
	return r
}

func (r *repeater) stop() {
	close(r.stopping)
	r.running.Wait()
}

// lineDisplay writes whole lines, for logs.
type lineDisplay struct {
	out     io.Writer
	every   time.Duration
	printer *repeater
}

func (d *lineDisplay) begin(m *meter) {
	d.printer = repeat(d.every, func() {
		share := ""
		if done, total := m.progress(); total > 0 {
			share = fmt.Sprintf(" %d%%,", done*100/total)
		}
		// Progress that cannot be written is no reason to stop sending.
		_, _ = fmt.Fprintf(d.out, "%s:%s %s\n", m.phase, share, m.text(time.Now()))
	})
}

func (d *lineDisplay) end() { d.printer.stop() }

// barDisplay draws on a terminal.
type barDisplay struct {
	out     io.Writer
	canvas  *mpb.Progress
	bar     *mpb.Bar
	fill    func() // brings the bar up to the meter
	printer *repeater
}

func (d *barDisplay) begin(m *meter) {
	d.canvas = mpb.New(mpb.WithOutput(d.out), mpb.WithRefreshRate(barEvery), mpb.WithAutoRefresh())
	text := decor.Any(func(decor.Statistics) string { return " " + m.text(time.Now()) })
	phase := decor.Name(m.phase+" ", decor.WCSyncSpaceR)
	if _, total := m.progress(); total == 0 {
		d.bar = d.canvas.AddSpinner(0, mpb.BarWidth(1), mpb.PrependDecorators(phase), mpb.AppendDecorators(text))
	} else {
		d.bar = d.canvas.AddBar(total, mpb.BarWidth(barWidth),
			mpb.PrependDecorators(phase, decor.Percentage(decor.WC{W: 5})), mpb.AppendDecorators(text))
	}
	d.fill = func() {
		done, _ := m.progress()
		d.bar.SetCurrent(done)
	}
	d.printer = repeat(barEvery, d.fill)
}

// end leaves the bar as the phase left it, full or not.
func (d *barDisplay) end() {
	d.printer.stop()
	d.fill()
	d.bar.Abort(false)
	d.canvas.Wait()
}
