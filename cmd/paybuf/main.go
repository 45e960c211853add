// Command paybuf runs Paybuf: the whole of it on one machine (dev), its parts on
// many (serve), and the tools around it. It turns flags and environment into
// options of internal/app and prints what comes back; it decides nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/nearest"
	"github.com/paybuf/paybuf/payment"
)

// Exit codes. Each command's help names those that it uses.
const (
	exitOK          = 0
	exitFailed      = 1   // it was tried and did not work
	exitUsage       = 2   // flags, files or configuration must change
	exitDiffers     = 3   // it was done, and there is something to look into
	exitInterrupted = 130 // by Ctrl-C, as shells count it
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitError carries an exit code of its own; its text was printed already if err
// is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err != nil {
			say(stderr, "paybuf: %v\n", exit.err)
		}
		return exit.code
	}
	say(stderr, "paybuf: %s\n", explain(err))
	if code, _ := payment.CodeOf(err); code == payment.CodeConfig || isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

// explain shows an operator the remedy first and the cause after it.
func explain(err error) string {
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok {
		return err.Error()
	}
	text := coded.Detail
	for _, field := range coded.Fields {
		text += fmt.Sprintf("\n  %s %s", field.Pointer, field.Detail)
	}
	if coded.Cause != nil {
		text += fmt.Sprintf("\n  cause: %v", coded.Cause)
	}
	return text
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "paybuf",
		Short: "A payment buffer: never lose a request, never charge twice",
		Long: `Paybuf accepts payment requests as fast as they come, stores each durably,
removes every duplicate, calls the payer once per order, and tells the outcome.

Every flag can be given as a variable of the environment: --pay-timeout is
PAYBUF_PAY_TIMEOUT. A flag wins over its variable.`,
		Example: `  paybuf dev                                 # all of it, on this machine
  paybuf submit orders.csv --currency EUR    # send it a file of payments`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return applyEnvironment(cmd, os.Environ()) }
	root.AddCommand(
		newDev(), newServe(), newMigrate(), newTenant(), newKey(), newSecrets(),
		newSubmit(), newGet(), newWatch(), newEvents(), newListen(),
		newPayment(), newTotals(), newReconcile(), newSimulatePayer(),
	)
	return group(root)
}

// group completes a command that only holds others: alone it shows its help. A
// name that none of them has is an error; cobra would show help and call that a
// success.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, child := range cmd.Commands() {
			names = append(names, child.Name())
		}
		return usageError{fmt.Errorf("%s has no command %q%s", cmd.CommandPath(), args[0], didYouMean("", args[0], names))}
	}
	return cmd
}

// flagError names the flag that was probably meant by an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError{err}
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return usageError{fmt.Errorf("%w%s", err, didYouMean("--", unknown.GetSpecifiedName(), names))}
}

func didYouMean(prefix, wrong string, known []string) string {
	if meant, found := nearest.Name(wrong, known); found {
		return "; did you mean " + prefix + meant + "?"
	}
	return ""
}

// usageError is a command line that must change.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s needs one argument: %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

// say prints for people; a terminal that is gone has nobody to be told.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
