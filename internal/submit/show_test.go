package submit

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress_showsOnePhaseAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, false)
		p.Advance(1, 1) // before any phase: nothing
		for _, phase := range []string{"reading", "comparing"} {
			p.Begin(phase, "lines", 200)
			p.Advance(50, 7)
			time.Sleep(linesEvery + time.Second)
		}
		p.End()
		p.End()
		for _, want := range []string{"reading: 25%, 7 lines", "comparing: 25%, 7 lines"} {
			if strings.Count(out.String(), want) != 1 {
				t.Errorf("it says %q, want %q once", out.String(), want)
			}
		}
	})
}
