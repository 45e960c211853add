package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestAppend_manyCallersAreEachServedOnce(t *testing.T) {
	const callers, each = 64, 50
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range each {
				if err := j.Append(t.Context(), fmt.Appendf(nil, "%d/%d", c, n)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	reading := make(chan struct{})
	wg.Go(func() { // readers and rotations disturb nobody
		defer close(reading)
		for range 20 {
			contents(t, j)
			rotate(t, j)
		}
	})
	wg.Wait()
	<-reading
	stats := j.Stats()
	if stats.Records != callers*each || stats.Failures != 0 {
		t.Errorf("stats are %+v", stats)
	}
	wantEach(t, j, callers, each)
	closed(t, j)
	again := openIn(t, dir, nil)
	wantEach(t, again, callers, each)
	wantDamage(t, again, 0, 0, 0)
}

// wantEach checks that the receipts of each caller are there, once and in order.
func wantEach(t *testing.T, j *Journal, callers, each int) {
	t.Helper()
	next := make([]int, callers)
	for _, payload := range contents(t, j) {
		var c, n int
		if _, err := fmt.Sscanf(payload, "%d/%d", &c, &n); err != nil || next[c] != n {
			t.Fatalf("%q comes when %d/%d is next; %v", payload, c, next[c], err)
		}
		next[c]++
	}
	for c, n := range next {
		if n != each {
			t.Errorf("caller %d has %d receipts, want %d", c, n, each)
		}
	}
}

func TestAppend_whoWaitsSharesTheNextCommit(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	commit(t, j, "opens the segment")
	before := j.Stats().Fsyncs
	busy, release := d.hold("sync")
	var wg sync.WaitGroup
	add := func(payload string) {
		wg.Go(func() {
			if err := j.Append(t.Context(), []byte(payload)); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	add("alone")
	await(t, busy)
	const waiting = 20
	for n := range waiting {
		add(fmt.Sprintf("together %d", n))
	}
	eventually(t, "all to wait", func() bool {
		j.queue.mu.Lock()
		defer j.queue.mu.Unlock()
		return j.queue.waiting != nil && len(j.queue.waiting.payloads) == waiting
	})
	release()
	wg.Wait()
	if n := j.Stats().Fsyncs - before; n != 2 {
		t.Errorf("%d fsyncs, want one for the first and one for those who waited", n)
	}
	if n := len(contents(t, j)); n != waiting+2 {
		t.Errorf("%d records, want %d", n, waiting+2)
	}
}

func TestAppend_allOfAGroupGetItsError(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	commit(t, j, "opens the segment")
	busy, release := d.hold("sync")
	first := make(chan error, 1)
	go func() { first <- j.Append(t.Context(), []byte("alone")) }()
	await(t, busy)
	errs := make(chan error, 5)
	for range cap(errs) {
		go func() { errs <- j.Append(t.Context(), []byte("together")) }()
	}
	eventually(t, "all to wait", func() bool {
		j.queue.mu.Lock()
		defer j.queue.mu.Unlock()
		return j.queue.waiting != nil && len(j.queue.waiting.payloads) == cap(errs)
	})
	d.fail("sync", errBadDisk, 1) // the next one, not the one that is held
	release()
	if err := <-first; err != nil {
		t.Errorf("the first gave %v", err)
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, errBadDisk) {
			t.Errorf("one of the group gave %v", err)
		}
	}
}

func TestAppend_contextEndsTheWaitNotTheDisk(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	reason := errors.New("the client has gone")
	ended, end := context.WithCancelCause(t.Context())
	end(reason)
	if err := j.Append(ended, []byte("too late")); !errors.Is(err, reason) {
		t.Errorf("an ended context gave %v", err)
	}
	commit(t, j, "opens the segment")
	busy, release := d.hold("sync")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() { result <- j.Append(ctx, []byte("under way")) }()
	await(t, busy)
	cancel(reason)
	if err := <-result; !errors.Is(err, reason) {
		t.Errorf("append gave %v", err)
	}
	release()
	commit(t, j, "after it")
	wantContents(t, j, []string{"opens the segment", "under way", "after it"})
}

func TestAppend_aStuckDiskDoesNotFillTheMemory(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	commit(t, j, "opens the segment")
	busy, release := d.hold("sync")
	var wg sync.WaitGroup
	wg.Go(func() { _ = j.Append(t.Context(), []byte("alone")) })
	await(t, busy)
	ctx, cancel := context.WithCancel(t.Context())
	big := make([]byte, RecordBytesMax)
	const room = GroupBytesMax / (RecordBytesMax + recordHeaderBytes)
	for range room {
		wg.Go(func() { _ = j.Append(ctx, big) })
	}
	eventually(t, "the queue to be full", func() bool {
		j.queue.mu.Lock()
		defer j.queue.mu.Unlock()
		return j.queue.waiting != nil && len(j.queue.waiting.payloads) == room
	})
	if err := j.Append(t.Context(), big); !errors.Is(err, ErrBusy) {
		t.Errorf("one more gave %v", err)
	}
	cancel()
	d.fail("create", errBadDisk, 1) // nobody waits for these any more; spare the disk
	release()
	wg.Wait()
	commit(t, j, "and on it goes")
	if got := contents(t, j); !slices.Contains(got, "and on it goes") {
		t.Errorf("%d records without the last", len(got))
	}
}

func TestClose_servesWhoWaits(t *testing.T) {
	d := &faultyDisk{}
	dir := t.TempDir()
	j := openFaulty(t, dir, d)
	commit(t, j, "opens the segment")
	busy, release := d.hold("sync")
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			err := j.Append(t.Context(), fmt.Appendf(nil, "waiting %d", n))
			if err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("append: %v", err)
			}
		})
	}
	await(t, busy)
	wg.Go(func() { closed(t, j) })
	eventually(t, "Close to begin", func() bool {
		j.queue.mu.Lock()
		defer j.queue.mu.Unlock()
		return j.queue.closed
	})
	release()
	wg.Wait()
	appended := j.Stats().Records
	if n := len(contents(t, openIn(t, dir, nil))); uint64(n) != appended {
		t.Errorf("%d records are there, %d were acknowledged", n, appended)
	}
}
