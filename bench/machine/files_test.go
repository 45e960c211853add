package machine

import (
	"syscall"
	"testing"
)

func TestAllowFiles_raisesTheLimitOrSaysWhatItIs(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := AllowFiles(before.Cur); err != nil {
		t.Errorf("what is allowed already: %v", err)
	}
	if err := AllowFiles(1 << 40); err == nil { // beyond what any kernel has
		t.Error("a number that cannot be was allowed")
	}
	var after syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after); err != nil || after != before {
		t.Errorf("from %+v to %+v: %v", before, after, err)
	}
}
