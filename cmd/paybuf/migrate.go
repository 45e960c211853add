package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
)

func newMigrate() *cobra.Command {
	var postgresURL string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Create or update the tables in Postgres",
		Example: `  paybuf migrate up --postgres postgres://paybuf@db/paybuf
  paybuf migrate status --postgres postgres://paybuf@db/paybuf`,
	}
	cmd.PersistentFlags().StringVar(&postgresURL, "postgres", "", "URL of the Postgres database")
	cmd.AddCommand(newMigrateUp(&postgresURL), newMigrateStatus(&postgresURL))
	return group(cmd)
}

func newMigrateUp(postgresURL *string) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Apply what is missing; safe to run from several places at once",
		Long: `Applies the migrations that the database lacks. Several may run at once: one
works and the others wait for it. Running versions of Paybuf go on meanwhile.

Exit codes: 0 up to date, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf migrate up --postgres postgres://paybuf@db/paybuf`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			applied, err := app.Migrate(cmd.Context(), *postgresURL)
			for _, name := range applied {
				say(cmd.OutOrStdout(), "applied %s\n", name)
			}
			if err == nil && len(applied) == 0 {
				say(cmd.OutOrStdout(), "up to date\n")
			}
			return err
		},
	}
}

// migrationView is a line of `migrate status --json`.
type migrationView struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"`
}

func newMigrateStatus(postgresURL *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which migrations were applied",
		Long: `Shows each migration and when it was applied, and changes nothing.

Exit codes: 0 up to date, 1 some are missing or it failed, 2 the flags must change.`,
		Example: `  paybuf migrate status --postgres postgres://paybuf@db/paybuf --json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := app.Migrations(cmd.Context(), *postgresURL)
			if err != nil {
				return err
			}
			views, rows, missing := []migrationView{}, [][]string{}, false
			for _, m := range all {
				view, when := migrationView{Version: m.Version, Name: m.Name}, "missing"
				if m.AppliedAt.IsZero() {
					missing = true
				} else {
					view.AppliedAt, when = &m.AppliedAt, shortTime(m.AppliedAt)
				}
				views, rows = append(views, view), append(rows, []string{m.Name, when})
			}
			if err := show(cmd, asJSON, views, []string{"MIGRATION", "APPLIED"}, rows); err != nil {
				return err
			}
			if missing {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
