package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// logFlags are how much is logged, and in which form.
type logFlags struct {
	level  string
	format string
}

func (f *logFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.level, "log-level", "info", "debug, info, warn or error; debug has a line per request and payment")
	flags.StringVar(&f.format, "log-format", "auto", "text, json, or auto: colours on a terminal, JSON elsewhere")
}

func (f *logFlags) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %s: debug, info, warn or error", f.level)}
	}
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	options := &slog.HandlerOptions{Level: level}
	switch {
	case f.format == "json", f.format == "auto" && !terminal:
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	case f.format == "auto":
		return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: level, TimeFormat: "15:04:05.000"})), nil
	case f.format == "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format %s: text, json or auto", f.format)}
}
