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
