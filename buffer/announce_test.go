package buffer

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// someChanges are n of them, each second one about a retry.
func someChanges(n int) []payment.Change {
	changes := make([]payment.Change, n)
	for i := range changes {
		changes[i] = payment.Change{
			ID: testKey.Derive("acme", fmt.Sprint("A-", i), ""), Tenant: "acme", Version: int64(i)*37 + 1,
		}
		if i%2 == 1 {
			changes[i].RetryOf = changes[i-1].ID
		}
	}
	return changes
}

// heard collects what a listener is told.
type heard struct {
	mu      sync.Mutex
	changes []payment.Change
}

func (h *heard) add(changes []payment.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, changes...)
}

func (h *heard) all() []payment.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.changes)
}

func listen(t *testing.T, b *Buffer) *heard {
	t.Helper()
	h := &heard{}
	stop, err := b.Changes(h.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if err := b.nc.Flush(); err != nil { // the server knows the listener from here on
		t.Fatal(err)
	}
	return h
}

func becomes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestAnnounce_everyProcessHearsOfAllChanges(t *testing.T) {
	t.Parallel()
	server := localtest.NATS(t)
	first := open(t, func(c *Config) { c.InProcess = server.InProcess() })
	second := open(t, func(c *Config) { c.InProcess = server.InProcess() })
	here, there := listen(t, first), listen(t, second)
	want := someChanges(5000) // several announcements
	first.Announce(slices.Clone(want))
	for name, h := range map[string]*heard{"here": here, "there": there} {
		becomes(t, "changes heard "+name, func() bool { return len(h.all()) >= len(want) })
		if got := h.all(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: heard %d changes, not those announced", name, len(got))
		}
	}
	if got := first.Announcements(); got != (Announcements{Sent: 5000, Heard: 5000}) {
		t.Errorf("the sender counts %+v", got)
	}
	if got := second.Announcements(); got != (Announcements{Heard: 5000}) {
		t.Errorf("the listener counts %+v", got)
	}
}

func TestAnnounce_withoutAConnectionIsDroppedAndComesBackWithIt(t *testing.T) {
	t.Parallel()
	cfg := local.NATSConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"}
	server, err := local.StartNATS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, func(c *Config) { c.InProcess = nil; c.URL = server.ClientURL() })
	h := listen(t, b)
	cfg.Listen = strings.TrimPrefix(server.ClientURL(), "nats://")
	if !b.Connected() {
		t.Error("not connected at first")
	}
	server.Stop()
	becomes(t, "the loss is noticed", func() bool { return !b.Connected() })
	b.Announce(someChanges(10))
	becomes(t, "they are dropped", func() bool { return b.Announcements().Dropped == 10 })
	if got := b.Announcements(); got.Sent != 0 || len(h.all()) != 0 {
		t.Errorf("%+v, and %d were heard", got, len(h.all()))
	}
	if server, err = local.StartNATS(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	becomes(t, "the connection is back", b.Connected)
	becomes(t, "announcements are heard again", func() bool {
		b.Announce(someChanges(1))
		return len(h.all()) > 0
	})
}

func TestAnnounce_neverWaitsForASlowConnection(t *testing.T) {
	b := &Buffer{announcer: newAnnouncer(nil, nil)} // nobody publishes
	for range announcedListsMax + 3 {
		b.Announce(someChanges(2))
	}
	if got := b.announcer.dropped.Load(); got != 6 {
		t.Errorf("%d changes were dropped, want 6", got)
	}
}

func TestChanges_aSlowListenerMissesAndCountsIt(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	stop, err := b.Changes(func([]payment.Change) { <-hold })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for n := 0; b.Announcements().MissedMessages == 0; n++ {
		if n > 20*heardMessagesMax {
			t.Fatal("a listener that handles nothing misses nothing")
		}
		b.Announce(someChanges(1))
		if n%announcedListsMax == 0 {
			<-time.After(time.Millisecond) // for the connection to take them
		}
	}
	release()
}

func TestChanges_whatCannotBeReadIsPassedOver(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	h := listen(t, b)
	good, _ := encodeChanges(someChanges(1), announcementBytesMax)
	for _, message := range [][]byte{nil, {announcementVersion + 1, 'x'}, good[:len(good)-1], good} {
		if err := b.nc.Publish(changedSubject, message); err != nil {
			t.Fatal(err)
		}
	}
	becomes(t, "the good one is heard", func() bool { return len(h.all()) == 1 })
	if got := b.Announcements().MissedMessages; got != 3 {
		t.Errorf("%d messages were missed, want 3", got)
	}
}

func TestEncodeChanges_isReadBackFromParts(t *testing.T) {
	want := someChanges(100)
	for _, bytesMax := range []int{1, changeBytesMax, 1000, announcementBytesMax} {
		var got []payment.Change
		for rest := want; len(rest) > 0; {
			message, encoded := encodeChanges(rest, bytesMax)
			if encoded < 1 || (encoded > 1 && len(message) > bytesMax) {
				t.Fatalf("of at most %d bytes: %d changes in %d", bytesMax, encoded, len(message))
			}
			var err error
			if got, err = decodeChanges(got, message); err != nil {
				t.Fatal(err)
			}
			rest = rest[encoded:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("of at most %d bytes: got %v", bytesMax, got)
		}
	}
}

func TestDecodeChanges_anyShortMessageIsAnError(t *testing.T) {
	changes := someChanges(2)
	whole, _ := encodeChanges(changes, announcementBytesMax)
	ends := map[int]int{1: 0, len(whole): 2} // the lengths at which nothing is missing
	one, _ := encodeChanges(changes[:1], announcementBytesMax)
	ends[len(one)] = 1
	for length := range len(whole) + 1 {
		got, err := decodeChanges(nil, whole[:length])
		want, complete := ends[length]
		if (err == nil) != complete || (complete && len(got) != want) {
			t.Errorf("%d of %d bytes: %d changes, %v", length, len(whole), len(got), err)
		}
	}
}

func FuzzDecodeChanges(f *testing.F) {
	whole, _ := encodeChanges(someChanges(3), announcementBytesMax)
	f.Add(whole)
	f.Add([]byte{announcementVersion})
	f.Fuzz(func(t *testing.T, message []byte) {
		changes, err := decodeChanges(nil, message)
		if err != nil {
			return
		}
		again, encoded := encodeChanges(changes, len(message)+changeBytesMax)
		if read, err := decodeChanges(nil, again); err != nil || encoded != len(changes) || !reflect.DeepEqual(read, changes) {
			t.Errorf("%v is read back as %v: %v", changes, read, err)
		}
	})
}

// What 256 changes cost from the commit to whoever waits, per change.
func BenchmarkAnnounce(b *testing.B) {
	buffer := open(b, nil)
	done := make(chan struct{}, 1)
	stop, err := buffer.Changes(func([]payment.Change) { done <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	const batch = 256
	changes := someChanges(batch)
	for b.Loop() {
		buffer.Announce(changes)
		<-done
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/change")
}
