package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// keyView is an API key as scripts see it. Secret is there only where the key
// was just made: it is kept nowhere.
type keyView struct {
	ID        string           `json:"id"`
	Tenant    payment.TenantID `json:"tenant"`
	Label     string           `json:"label"`
	Secret    string           `json:"api_key,omitzero"`
	CreatedAt time.Time        `json:"created_at"`
	ExpiresAt *time.Time       `json:"expires_at"`
	RevokedAt *time.Time       `json:"revoked_at"`
}

func viewKey(key payment.APIKey, secret string) keyView {
	return keyView{
		ID: key.ID, Tenant: key.Tenant, Label: key.Label, Secret: secret, CreatedAt: key.CreatedAt.UTC(),
		ExpiresAt: optionalTime(key.ExpiresAt), RevokedAt: optionalTime(key.RevokedAt),
	}
}

func newKey() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Manage API keys",
		Example: `  paybuf key create acme --label till-3 --data /var/lib/paybuf/dev
  paybuf key list --data /var/lib/paybuf/dev`,
	}
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(newKeyCreate(&flags), newKeyRotate(&flags), newKeyRevoke(&flags), newKeyList(&flags))
	return group(cmd)
}

func newKeyCreate(flags *adminFlags) *cobra.Command {
	var label string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create TENANT",
		Short: "Make an API key and show it, once",
		Long: `Makes an API key for a tenant and prints it, alone, on standard output. Only a
hash of it is kept, so it cannot be shown again.

Exit codes: 0 made, 1 it failed or intake was not told yet, 2 the flags must change.`,
		Example: `  paybuf key create acme --label till-3 --data /var/lib/paybuf/dev`,
		Args:    oneArg("the tenant's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				secret, key, err := admin.CreateKey(cmd.Context(), args[0], label)
				return showNewKey(cmd, asJSON, secret, key, err)
			})
		},
	}
	cmd.Flags().StringVar(&label, "label", "", "what the key is for")
	addJSON(cmd, &asJSON)
	return cmd
}

func newKeyRotate(flags *adminFlags) *cobra.Command {
	var overlap time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate KEY_ID",
		Short: "Make a successor, and let the old key end after an overlap",
		Long: `Makes a new key for the tenant of an existing one and shows it, once. The old key
works on for --overlap, so that clients can change over without a gap.

Exit codes: 0 done, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf key rotate 3f7q2k5m6t4a --overlap 24h --data /var/lib/paybuf/dev`,
		Args:    oneArg("the key's id: what stands between pbk_ and the next _"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				secret, key, err := admin.RotateKey(cmd.Context(), args[0], overlap)
				return showNewKey(cmd, asJSON, secret, key, err)
			})
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the old key works on")
	addJSON(cmd, &asJSON)
	return cmd
}

// showNewKey shows the secret also if telling intake failed: the key exists, and
// nobody can ever read it again.
func showNewKey(cmd *cobra.Command, asJSON bool, secret string, key payment.APIKey, err error) error {
	if secret == "" {
		return err
	}
	if asJSON {
		if shown := show(cmd, true, viewKey(key, secret), nil, nil); shown != nil {
			return shown
		}
		return err
	}
	say(cmd.ErrOrStderr(), "key %s of tenant %s; it is shown only now:\n", key.ID, key.Tenant)
	say(cmd.OutOrStdout(), "%s\n", secret)
	return err
}

func newKeyRevoke(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke KEY_ID",
		Short: "End an API key at once and for ever",
		Long: `Ends an API key. Requests with it are refused from then on.

Exit codes: 0 revoked, 1 it failed or intake was not told yet, 2 the flags must change.`,
		Example: `  paybuf key revoke 3f7q2k5m6t4a --data /var/lib/paybuf/dev`,
		Args:    oneArg("the key's id: what stands between pbk_ and the next _"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				key, err := admin.RevokeKey(cmd.Context(), args[0])
				if key.ID != "" {
					say(cmd.OutOrStdout(), "revoked key %s of tenant %s at %s\n", key.ID, key.Tenant, shortTime(key.RevokedAt))
				}
				return err
			})
		},
	}
}

func newKeyList(flags *adminFlags) *cobra.Command {
	var tenant string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List API keys; the keys themselves are not kept",
		Long: `Lists API keys, also those that have expired or were revoked.

Exit codes: 0 listed, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf key list --tenant acme --data /var/lib/paybuf/dev --json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				keys, err := admin.Keys(cmd.Context(), tenant)
				if err != nil {
					return err
				}
				views, rows := []keyView{}, [][]string{}
				for _, k := range keys {
					views = append(views, viewKey(k, ""))
					rows = append(rows, []string{
						k.ID, string(k.Tenant), k.Label, shortTime(k.CreatedAt), shortTime(k.ExpiresAt), shortTime(k.RevokedAt),
					})
				}
				return show(cmd, asJSON, views, []string{"KEY", "TENANT", "LABEL", "CREATED", "EXPIRES", "REVOKED"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only this tenant's")
	addJSON(cmd, &asJSON)
	return cmd
}
