package buffer

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// silence has the stream store and say nothing, or speak again. It cannot be told
// from one that does not store, but by its end.
func silence(t *testing.T, b *Buffer, silent bool) {
	t.Helper()
	cfg := b.Shards()[0].streamConfig()
	cfg.NoAck = silent
	if _, err := b.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatalf("update the stream: %v", err)
	}
}

func TestPut_aSilentStreamIsRefusedAtOnceUntilItAnswers(t *testing.T) {
	b := open(t, nil)
	put(t, b, order(t, "A-1", nil))
	silence(t, b, true)
	began := time.Now()
	_, err := b.Put(t.Context(), order(t, "A-2", nil))
	if code, _ := payment.CodeOf(err); code != payment.CodeBufferUnavailable {
		t.Errorf("a request that may be stored gave %v, want %s", err, payment.CodeBufferUnavailable)
	}
	if took := time.Since(began); took >= b.cfg.PutTimeout {
		t.Errorf("it took %s; the stream was known to be silent before", took)
	}
	if err := b.Writable(t.Context()); err == nil {
		t.Error("the stream is taken for writable")
	}
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("what reads the stream is told that it is gone: %v", err)
	}
	began = time.Now()
	_, err = b.Put(t.Context(), order(t, "A-3", nil))
	refused, ok := err.(*payment.Error) //nolint:errorlint // returned bare
	if !ok || refused.Code != payment.CodeBufferFull || refused.RetryAfter != failedRetryAfter {
		t.Errorf("a request meanwhile gave %v", err)
	}
	if took := time.Since(began); took > resendAfter/2 {
		t.Errorf("the refusal took %s", took)
	}
	if n := b.Pressure().Refused[RefusedNoSpace]; n != 1 {
		t.Errorf("%d refusals counted, want 1", n)
	}
	if receipt := put(t, b, order(t, "A-1", nil)); !receipt.Duplicate {
		t.Error("a known repetition is not answered")
	}

	silence(t, b, false)
	waitFor(t, "the stream to be taken for writable", func() bool { return b.Writable(t.Context()) == nil })
	if receipt := put(t, b, order(t, "A-3", nil)); receipt.Duplicate {
		t.Error("what was refused at once was stored all the same")
	}
	fetchAll(t, b.Shards()[0], 3)
}

func TestHealth_slowIsNotBroken(t *testing.T) {
	var h health
	for last := range uint64(20) {
		h.silent(message{})
		if !h.suspicious() {
			t.Fatal("a message without an answer is no reason to look")
		}
		if h.look(last+1, silentLooksMax); h.failed() {
			t.Fatalf("a stream that moves is taken for broken after %d looks", last+1)
		}
	}
}

func TestHealth_oneLostAnswerIsNotBroken(t *testing.T) {
	var h health
	for range 20 {
		h.silent(message{})
		if h.look(7, silentLooksMax); h.failed() {
			t.Fatal("single messages without an answer, with good ones in between, made it broken")
		}
		if h.suspicious() {
			t.Fatal("an answered suspicion lives on")
		}
	}
}

// Servers that choose a leader answer nothing for seconds, and are not broken.
func TestHealth_nobodyThereIsGivenMoreTime(t *testing.T) {
	var h health
	for look := range absentLooksMax {
		if h.failed() {
			t.Fatalf("given up after %d looks", look)
		}
		h.silent(message{id: "probe"})
		h.look(0, absentLooksMax)
	}
	if !h.failed() || h.probeMessage().id != "probe" {
		t.Error("nobody has answered for ten looks, and it is not taken for broken")
	}
	h.mend()
	if h.failed() || h.suspicious() {
		t.Error("it is mended and not trusted")
	}
}

func TestPut_afterACloseIsNoFailedStore(t *testing.T) {
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(), PutTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	server.Stop()
	if _, err := b.Put(t.Context(), order(t, "A-1", nil)); err == nil {
		t.Fatal("there is no server, and a receipt")
	}
	for range absentLooksMax + 1 {
		b.examine(t.Context(), b.Shards()[0])
	}
	if err := b.Writable(t.Context()); err != nil {
		t.Errorf("a connection that is lost is taken for a full disk: %v", err)
	}
}
