package local

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// lockBriefly tries to take a lock that should be held.
func lockBriefly(t *testing.T, path string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	l, err := lock(ctx, path)
	if err != nil {
		return err
	}
	return l.release()
}

func TestLock_isFreeAfterRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := lockBriefly(t, path); !errors.Is(err, ErrInUse) {
		t.Errorf("the error is %v, want ErrInUse", err)
	}
	if err := errors.Join(l.release(), l.release()); err != nil {
		t.Error(err)
	}
	if err := lockBriefly(t, path); err != nil {
		t.Error(err)
	}
}

func TestLock_outlivesACallerWhoForgetsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, err := lock(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC()
	if err := lockBriefly(t, path); !errors.Is(err, ErrInUse) {
		t.Errorf("the error is %v, want ErrInUse", err)
	}
}

func TestLock_needsItsDirectory(t *testing.T) {
	_, err := lock(t.Context(), filepath.Join(t.TempDir(), "missing", "lock"))
	if err == nil || errors.Is(err, ErrInUse) {
		t.Errorf("the error is %v", err)
	}
}

func TestPoll_endsWithItsContext(t *testing.T) {
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	tries := 0
	err := poll(ctx, time.Millisecond, func() (bool, error) {
		if tries++; tries == 3 {
			cancel(reason)
		}
		return false, nil
	})
	if !errors.Is(err, reason) || tries < 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
