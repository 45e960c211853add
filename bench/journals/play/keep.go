package play

import (
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"

	"github.com/paybuf/paybuf/bench/journals/receipt"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/machine"
)

// fill appends the receipts from 0 on, about in order, tells when all are
// durable, and keeps the store open until the input ends: so it can be killed.
func (o Order) fill(in io.Reader, out io.Writer) (err error) {
	a, err := store.OpenAppender(o.Kind, o.config(ignore))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	errs := make([]error, o.Callers)
	var wg sync.WaitGroup
	for caller := range o.Callers {
		wg.Go(func() {
			for number := caller; number < o.Records && errs[caller] == nil; number += o.Callers {
				errs[caller] = a.Append(receipt.Of(number))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := answer(out, Took{}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// open measures how long it takes until one could append.
func (o Order) open() (Took, error) {
	var s store.Store
	took, err := cost(machine.Disk{}, func() (err error) {
		s, err = store.Open(o.Kind, o.config(ignore))
		return err
	})
	if err != nil {
		return Took{}, err
	}
	return took, s.Close()
}

// remove measures how long it takes to remove the old half, and what that and
// closing the store cost: some stores tidy up later.
func (o Order) remove() (Took, error) {
	disk, err := machine.MeasureDisk(o.Dir)
	if err != nil {
		return Took{}, err
	}
	s, err := store.Open(o.Kind, o.config(ignore))
	if err != nil {
		return Took{}, err
	}
	var removed Took
	all, err := cost(disk, func() (err error) {
		removed, err = cost(disk, s.RemoveOldHalf)
		err = errors.Join(err, s.Close())
		syscall.Sync()
		return err
	})
	all.Time = removed.Time
	return all, err
}

// cost measures a deed.
func cost(disk machine.Disk, do func() error) (Took, error) {
	before, err := read(disk)
	if err != nil {
		return Took{}, err
	}
	if err := do(); err != nil {
		return Took{}, err
	}
	after, err := read(disk)
	return Took{
		Time: Span(after.at.Sub(before.at)), CPU: Span(after.cpu - before.cpu), WrittenBytes: after.written - before.written,
	}, err
}

// read gives what can be had from a store that may be damaged.
func (o Order) read() Found {
	var found Found
	var saying sync.Mutex // stores warn from goroutines of their own
	say := func(line string) {
		saying.Lock()
		defer saying.Unlock()
		if found.Said == "" {
			found.Said, _, _ = strings.Cut(line, "\n")
		}
	}
	s, err := store.Open(o.Kind, o.config(say))
	if err != nil {
		say(err.Error())
		return found
	}
	found.Opened = true
	seen := map[int]bool{}
	err = s.Read(func(payload []byte) {
		number, whole := receipt.Number(payload)
		if !whole {
			found.Wrong++
			return
		}
		seen[number] = true
	})
	found.Right = len(seen)
	if err := errors.Join(err, s.Close()); err != nil {
		say(err.Error())
	}
	saying.Lock()
	defer saying.Unlock()
	return found
}
