//go:build trial

package trial

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// damage is what is done to the stream's files while dev is down.
type damage struct {
	name string
	do   func(t *testing.T, dir string)
}

var damages = []damage{
	{"stream deleted", func(t *testing.T, dir string) {
		if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
			t.Fatal(err)
		}
	}},
	{"stream truncated", func(t *testing.T, dir string) {
		eachBlock(t, dir, func(file string, size int64) error { return os.Truncate(file, size/2) })
	}},
	{"stream's bits flipped", func(t *testing.T, dir string) {
		eachBlock(t, dir, func(file string, size int64) error {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, at := range []int64{size / 4, size / 2, size * 3 / 4} {
				data[at] ^= 0x40
			}
			return os.WriteFile(file, data, 0o600)
		})
	}},
}

// eachBlock changes each block of messages of the payments' stream, and removes
// the index, which a crash leaves behind too.
func eachBlock(t *testing.T, dir string, change func(file string, size int64) error) {
	t.Helper()
	blocks := 0
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(file, "PAYBUF_0") {
			return err
		}
		switch {
		case entry.Name() == "index.db":
			return os.Remove(file)
		case filepath.Ext(file) == ".blk" && filepath.Base(filepath.Dir(file)) == "msgs":
			info, err := entry.Info()
			if err != nil || info.Size() == 0 {
				return err
			}
			blocks++
			return change(file, info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if blocks == 0 {
		t.Fatalf("no block of messages under %s: nothing was damaged", dir)
	}
}

func TestRepair_damagedStreamLosesNoPaymentAndDoublesNone(t *testing.T) {
	file := dataFile(t)
	for _, damage := range damages {
		t.Run(damage.name, func(t *testing.T) {
			t.Parallel() // it waits for a slow payer most of the time
			want := expect(t, file, perPart)
			// A slow payer, so that a backlog waits in the stream when it is damaged.
			in := install(t, []string{"--latency", "100ms"}, []string{
				"--payer-visibility-delay", "0s", "--audit-after", "2s", "--concurrency", "64", "--lease", "12s",
				"--pay-timeout", "3s", "--log-level", "warn",
			})
			var got answers
			var sending sync.WaitGroup
			sending.Go(func() { got = in.submit(t, file, perPart, 1) })
			in.awaitCharges(t, want, int64(len(want.orders))/5)
			in.dev.kill()
			damage.do(t, filepath.Join(in.data, "nats"))
			t.Logf("kill -9 of dev, %s", damage.name)
			in.startDev(t)
			sending.Wait()
			logAnswers(t, got, want)
			equal(t, "refused", got.Refused, want.refused)
			in.judge(t, want, got)
			t.Logf("repaired: %s payments published again", in.metric(t, "paybuf_receipts_repaired_total"))
		})
	}
}
