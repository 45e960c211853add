package journal

import (
	"fmt"
	"sync"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 500)
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			j, err := Open(Config{Dir: b.TempDir(), BytesMax: 64 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			before := j.Stats()
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for range (b.N + callers - 1 - c) / callers {
						if err := j.Append(b.Context(), payload); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			syncs := float64(j.Stats().Fsyncs - before.Fsyncs)
			b.ReportMetric(syncs/b.Elapsed().Seconds(), "fsyncs/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, records := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("group=%d", records), func(b *testing.B) {
			j, err := Open(Config{Dir: b.TempDir(), BytesMax: 64 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			group := make([][]byte, records)
			for i := range group {
				group[i] = make([]byte, 500)
			}
			b.SetBytes(500 * int64(records))
			b.ReportAllocs()
			for b.Loop() {
				if err := j.Commit(group); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkRead reads a segment of 64 MiB, as an audit does.
func BenchmarkRead(b *testing.B) {
	j, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	group := make([][]byte, 1000)
	for i := range group {
		group[i] = make([]byte, 500)
	}
	for len(j.Segments()) < 2 {
		if err := j.Commit(group); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(j.Segments()[0].Bytes)
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Read(b.Context(), 1, func(Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens what a crash has left: a segment that is nearly empty, so
// that nearly all of it must be searched for records behind its end.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		b.StopTimer()
		j, err := Open(Config{Dir: dir, BytesMax: 64 << 30})
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Commit([][]byte{[]byte("one")}); err != nil {
			b.Fatal(err)
		}
		j.queue.close()
		j.appends.Wait()
		if err := j.dir.close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		j, err = Open(Config{Dir: dir, BytesMax: 64 << 30})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
