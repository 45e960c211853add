package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
)

const envPrefix = "PAYBUF_"

// foreignVariables begin like ours and are not for a command: the tests' own.
var foreignVariables = []string{"PAYBUF_TEST_POSTGRES", "PAYBUF_TRIAL_CSV"}

// secretVariables have no flag, since flags are shown by ps.
var secretVariables = []string{app.WebhookKeysVariable}

// applyEnvironment sets every flag that was not given from its variable. A
// variable that no command knows is an error: a typo in a time-out must not be
// found by the first slow payer.
func applyEnvironment(cmd *cobra.Command, environ []string) error {
	flags := map[string]*pflag.Flag{}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { flags[variable(flag.Name)] = flag })
	known := slices.Concat(variables(cmd.Root()), secretVariables)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || isForeign(name) {
			continue
		}
		if !slices.Contains(known, name) {
			return usageError{fmt.Errorf("the environment variable %s is not known%s", name, hint(name, known))}
		}
		flag := flags[name]
		if flag == nil || flag.Changed {
			continue // another command's, or overruled
		}
		if err := cmd.Flags().Set(flag.Name, value); err != nil {
			return usageError{fmt.Errorf("%s: %w", name, err)}
		}
	}
	return nil
}

// isForeign also knows what Kubernetes sets beside a Service named paybuf:
// PAYBUF_SERVICE_HOST, PAYBUF_PORT_8080_TCP and so on.
func isForeign(name string) bool {
	rest := strings.TrimPrefix(name, envPrefix)
	return slices.Contains(foreignVariables, name) ||
		strings.HasPrefix(rest, "SERVICE_") || rest == "PORT" || strings.HasPrefix(rest, "PORT_")
}

func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// variables gives the names for all flags of all commands.
func variables(cmd *cobra.Command) []string {
	var names []string
	add := func(flag *pflag.Flag) { names = append(names, variable(flag.Name)) }
	cmd.LocalFlags().VisitAll(add)
	cmd.PersistentFlags().VisitAll(add)
	for _, child := range cmd.Commands() {
		names = append(names, variables(child)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func hint(name string, known []string) string {
	return didYouMean(envPrefix, strings.TrimPrefix(name, envPrefix), trimmed(known))
}

func trimmed(names []string) []string {
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = strings.TrimPrefix(name, envPrefix)
	}
	return short
}
