package httppayer_test

import (
	"bufio"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// BenchmarkCharge tells what a call costs the processor of both sides. The payer is
// the least there can be, one goroutine and two system calls, so most is ours.
func BenchmarkCharge(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers)+"callers", func(b *testing.B) {
			request := payertest.NewRequest(b)
			payer, err := httppayer.New(leastPayer(b, request.ID), httppayer.Config{Token: "psp_secret"})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(payer.Close)
			b.SetParallelism(callers)
			b.ReportAllocs()
			before := cpuTime(b)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if answer := payer.Charge(b.Context(), request); answer.Verdict != payment.VerdictCharged {
						b.Errorf("answered %s, %q", answer.Verdict, answer.Evidence.Excerpt)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// leastPayer answers every request with the same charge.
func leastPayer(b *testing.B, id payment.ID) string {
	b.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() }) // connections end with their callers
	object := with(succeeded, "%s", string(id))
	answer := "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n" +
		"Content-Length: " + strconv.Itoa(len(object)) + "\r\n\r\n" + object
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, answer)
		}
	}()
	return "http://" + listener.Addr().String()
}

func answerAll(conn net.Conn, answer string) {
	defer conn.Close() // nobody to tell
	reader := textproto.NewReader(bufio.NewReader(conn))
	for {
		bodyBytes := 0
		for {
			line, err := reader.ReadLineBytes()
			if err != nil {
				return
			}
			if len(line) == 0 {
				break
			}
			const name = "Content-Length: "
			if len(line) > len(name) && string(line[:len(name)]) == name {
				bodyBytes, _ = strconv.Atoi(string(line[len(name):])) // else the next line is wrong
			}
		}
		if _, err := reader.R.Discard(bodyBytes); err != nil {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// cpuTime is what this process took of the processors.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
