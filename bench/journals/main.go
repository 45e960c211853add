// Command journals compares Paybuf's journal with what might keep receipts in its
// place, and writes docs/journals.md.
//
// It promises each store the same payloads, the same machine, interleaved runs
// and a process of its own, and to show what a store does under damage by trying
// it. It runs on Linux and leaves nothing behind but the document.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/paybuf/paybuf/bench/journals/play"
)

// playCommand has the program do one thing to one store; see child.
const playCommand = "play"

const fileMode = 0o644

func main() {
	err := command(os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "journals:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 2 && args[0] == playCommand {
		return play.Do(context.Background(), args[1], os.Stdin, os.Stdout)
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
	text, err := document.Markdown()
	if err != nil {
		return err
	}
	if opts.out == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(filepath.Join(opts.out, "journals.md"), text, fileMode) //nolint:gosec // for everybody to read
}
