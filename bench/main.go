// Command bench measures how fast Paybuf takes payments in, brings them to their end
// and tells clients of it, side by side with what a team might use in its place, and
// writes docs/benchmarks.md.
//
// It promises the same load, the same machine and interleaved runs for all, each
// server in a process of its own with durable storage where it stores at all. It
// runs on Linux, needs Postgres' server programs, listens on loopback only, and
// leaves nothing behind but the documents.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/paybuf/paybuf/bench/subject"
)

// The servers end with the thread that started them: this one, which lives as
// long as we do.
func init() { runtime.LockOSThread() }

func main() {
	err := command(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 2 && args[0] == subject.PeerCommand {
		return subject.Serve(context.Background(), args[1], os.Stdin, os.Stdout)
	}
	opts, err := parseOptions(args, os.Stderr)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	document, err := compare(ctx, opts, os.Stderr)
	if err != nil {
		return err
	}
	return publish(document, opts.out)
}
