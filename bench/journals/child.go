package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/bench/journals/play"
)

// childTimeout is what a child may take beyond the window of its run.
const childTimeout = time.Minute

var (
	errChildSlow = errors.New("it took too long")
	// errDied means that the child ended without an answer.
	errDied = errors.New("its process ended")
)

// child prepares a process for an order. It takes orders from nobody, so it ends
// with the context, with the order, or when the input ends.
func child(ctx context.Context, order play.Order) (*exec.Cmd, context.CancelFunc, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, (order.WarmUp+order.Window).Duration()+childTimeout, errChildSlow)
	return exec.CommandContext(ctx, os.Args[0], playCommand, string(text)), cancel, nil //nolint:gosec // ourselves
}

// do has a child carry out an order and reads its answer. It is errDied, with the
// child's last words, if there was none.
func do(ctx context.Context, order play.Order, result any) error {
	cmd, cancel, err := child(ctx, order)
	if err != nil {
		return err
	}
	defer cancel()
	var words bytes.Buffer
	cmd.Stderr = &words
	line, err := cmd.Output()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w: %s", order.Kind, errDied, err, firstLine(words.String()))
	}
	return json.Unmarshal(line, result)
}

// fill has a child fill a store. Its process is then killed, or closes the store.
func fill(ctx context.Context, order play.Order, kill bool) (err error) {
	cmd, cancel, err := child(ctx, order)
	if err != nil {
		return err
	}
	defer cancel()
	var words bytes.Buffer
	cmd.Stderr = &words
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_, readErr := bufio.NewReader(out).ReadString('\n') // it is full
	if readErr == nil && kill {
		readErr = cmd.Process.Kill()
	}
	closeErr := in.Close()
	_, drainErr := io.Copy(io.Discard, out)
	waitErr := cmd.Wait()
	if kill && readErr == nil {
		return nil // what Wait says is what we did
	}
	if err := errors.Join(readErr, closeErr, drainErr, waitErr); err != nil {
		return fmt.Errorf("fill %s: %w: %s", order.Kind, err, firstLine(words.String()))
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
