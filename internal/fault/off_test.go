//go:build !crash

package fault_test

import (
	"testing"

	"github.com/paybuf/paybuf/internal/fault"
)

func TestNormalBuild_neverDiesAndDropsNothing(t *testing.T) {
	t.Setenv("PAYBUF_CRASH", "processor.claimed:1")
	t.Setenv("PAYBUF_DROP", "fence")
	fault.At(fault.ProcessorClaimed)
	if fault.Enabled || fault.Dropped(fault.Fence) {
		t.Error("a build without the tag does as it is told")
	}
	if n := testing.AllocsPerRun(100, func() { fault.At(fault.BufferStored) }); n != 0 {
		t.Errorf("a point costs %v allocations", n)
	}
}
