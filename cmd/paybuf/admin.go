package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// adminFlags say which installation a command is about.
type adminFlags struct {
	postgresURL string
	natsURL     string
	secretsFile string
	dir         string
}

func (f *adminFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.postgresURL, "postgres", "", "URL of the Postgres database")
	flags.StringVar(&f.natsURL, "nats", "", "URLs of the NATS servers, so that intake knows at once")
	flags.StringVar(&f.secretsFile, "secrets-file", "", "file made by the command paybuf secrets")
	flags.StringVar(&f.dir, "data", "", "directory of a running paybuf dev, instead of the other three")
}

// addOperator adds who decides. By default it is who the system says runs this, ""
// if it does not know.
func addOperator(cmd *cobra.Command, operator *string) {
	name := ""
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	cmd.Flags().StringVar(operator, "operator", name, "who decides")
}

// with opens the installation for one command.
func (f *adminFlags) with(ctx context.Context, use func(*app.Admin) error) error {
	opts := app.AdminOptions{PostgresURL: f.postgresURL}
	opts.Buffer.URL = f.natsURL
	if f.dir != "" {
		data, err := os.ReadFile(filepath.Join(f.dir, "dev.json"))
		if err != nil {
			return usageError{fmt.Errorf("no `paybuf dev` is ready on that directory: %w", err)}
		}
		var info app.DevInfo
		if err := json.Unmarshal(data, &info); err != nil {
			return fmt.Errorf("dev.json: %w", err)
		}
		opts.PostgresURL, f.secretsFile = info.PostgresURL, filepath.Join(f.dir, "secrets.json")
	}
	if f.secretsFile != "" {
		secrets, err := app.LoadSecrets(f.secretsFile)
		if err != nil {
			return err
		}
		opts.Secrets = secrets
	}
	admin, err := app.OpenAdmin(ctx, opts)
	if err != nil {
		return err
	}
	defer admin.Close()
	return use(admin)
}

// tenantView is a tenant as scripts see it.
type tenantView struct {
	ID        payment.TenantID `json:"id"`
	Name      string           `json:"name"`
	CreatedAt time.Time        `json:"created_at"`
}

func newTenant() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{
		Use:   "tenant",
		Short: "Manage tenants, the client organisations",
		Example: `  paybuf tenant create acme --name "Acme Ltd" --postgres postgres://paybuf@db/paybuf
  paybuf tenant list --data /var/lib/paybuf/dev`,
	}
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(newTenantCreate(&flags), newTenantList(&flags))
	return group(cmd)
}

func newTenantCreate(flags *adminFlags) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "create ID",
		Short: "Add a tenant",
		Long: `Adds a tenant. Its id is part of every payment's identity and never changes.

Exit codes: 0 added, 1 it failed or the id is taken, 2 the flags must change.`,
		Example: `  paybuf tenant create acme --name "Acme Ltd" --postgres postgres://paybuf@db/paybuf`,
		Args:    oneArg("the tenant's id, such as acme"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				tenant, err := admin.CreateTenant(cmd.Context(), args[0], name)
				if err == nil {
					say(cmd.OutOrStdout(), "created tenant %s; next: paybuf key create %s\n", tenant.ID, tenant.ID)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "for people")
	return cmd
}

func newTenantList(flags *adminFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all tenants",
		Long: `Lists all tenants, ordered by id.

Exit codes: 0 listed, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf tenant list --postgres postgres://paybuf@db/paybuf --json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				tenants, err := admin.Tenants(cmd.Context())
				if err != nil {
					return err
				}
				views, rows := []tenantView{}, [][]string{}
				for _, t := range tenants {
					views = append(views, tenantView(t))
					rows = append(rows, []string{string(t.ID), t.Name, shortTime(t.CreatedAt)})
				}
				return show(cmd, asJSON, views, []string{"TENANT", "NAME", "CREATED"}, rows)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// totalsView is what `paybuf totals --json` prints.
type totalsView struct {
	Payments       map[payment.State]int64 `json:"payments"`
	Succeeded      map[string]int64        `json:"succeeded_minor"`
	Conflicts      int64                   `json:"conflicts"`
	DeadLetters    int64                   `json:"dead_letters"`
	ChargeAttempts int64                   `json:"charge_attempts"`
}

func newTotals() *cobra.Command {
	var flags adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "totals",
		Short: "Count the payments by state and add up what was charged",
		Long: `Counts all payments that were claimed, by state, and adds up the amounts of those
that succeeded, in minor units per currency. Reads whole tables.

Exit codes: 0 counted, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf totals --data /var/lib/paybuf/dev`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				totals, err := admin.Totals(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, state := range payment.States() {
					if n := totals.Payments[state]; n > 0 {
						rows = append(rows, []string{string(state), strconv.FormatInt(n, 10)})
					}
				}
				for _, code := range slices.Sorted(maps.Keys(totals.Succeeded)) {
					rows = append(rows, []string{"charged, minor units of " + code, strconv.FormatInt(totals.Succeeded[code], 10)})
				}
				rows = append(rows,
					[]string{"conflicting bodies", strconv.FormatInt(totals.Conflicts, 10)},
					[]string{"dead letters", strconv.FormatInt(totals.DeadLetters, 10)},
					[]string{"charge attempts", strconv.FormatInt(totals.ChargeAttempts, 10)})
				return show(cmd, asJSON, totalsView(totals), []string{"WHAT", "COUNT"}, rows)
			})
		},
	}
	flags.add(cmd.Flags())
	addJSON(cmd, &asJSON)
	return cmd
}
