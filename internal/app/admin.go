package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

// AdminOptions say where an installation is, for commands that change it.
type AdminOptions struct {
	PostgresURL string
	Buffer      buffer.Config // without a URL, keys reach intake within keySyncInterval
	Secrets     Secrets
}

// Admin changes tenants and API keys: first in Postgres, which has the truth, and
// then where intake reads them. If the second step fails the processor's node
// repeats it, so nothing is lost but a little time.
type Admin struct {
	opts AdminOptions
	db   *postgres.DB
}

// OpenAdmin connects to Postgres and checks its tables.
func OpenAdmin(ctx context.Context, opts AdminOptions) (*Admin, error) {
	if opts.PostgresURL == "" {
		return nil, configError("give --postgres URL, or --data DIR of a running `paybuf dev`")
	}
	db, err := postgres.Open(ctx, opts.PostgresURL, postgres.Config{})
	if err != nil {
		return nil, err
	}
	if err := db.CheckSchema(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return &Admin{opts: opts, db: db}, nil
}

// Close ends the connections.
func (a *Admin) Close() { a.db.Close() }

// CreateTenant adds a tenant.
func (a *Admin) CreateTenant(ctx context.Context, id, name string) (payment.Tenant, error) {
	tenant, err := payment.ParseTenantID(id)
	if err != nil {
		return payment.Tenant{}, configError(err.Error())
	}
	return a.db.CreateTenant(ctx, tenant, name)
}

// Tenants lists all tenants.
func (a *Admin) Tenants(ctx context.Context) ([]payment.Tenant, error) { return a.db.Tenants(ctx) }

// Keys lists the keys of a tenant, or of all if tenant is "".
func (a *Admin) Keys(ctx context.Context, tenant string) ([]payment.APIKey, error) {
	return a.db.Keys(ctx, payment.TenantID(tenant))
}

// CreateKey makes a key. The plaintext is not kept: whoever asked must show it.
func (a *Admin) CreateKey(ctx context.Context, tenant, label string) (string, payment.APIKey, error) {
	plaintext, key, err := a.addKey(ctx, tenant, label)
	if err != nil {
		return "", payment.APIKey{}, err
	}
	return plaintext, key, a.publish(ctx)
}

func (a *Admin) addKey(ctx context.Context, tenant, label string) (string, payment.APIKey, error) {
	if len(a.opts.Secrets.AuthKey) == 0 {
		return "", payment.APIKey{}, configError("give --secrets-file FILE, or --data DIR of a running `paybuf dev`")
	}
	auth, err := access.NewAuthKey(a.opts.Secrets.AuthKey)
	if err != nil {
		return "", payment.APIKey{}, configError(fmt.Sprintf("secrets: %v", err))
	}
	plaintext, key := access.NewKey(auth)
	key.Tenant, key.Label = payment.TenantID(tenant), label
	if key, err = a.db.AddKey(ctx, key); err != nil {
		return "", payment.APIKey{}, err
	}
	return plaintext, key, nil
}

// RotateKey makes a second key for the same tenant and lets the old one end after
// the overlap, in which clients change over. The new key comes first: a crash in
// between leaves one key too many, never one too few.
func (a *Admin) RotateKey(ctx context.Context, id string, overlap time.Duration) (string, payment.APIKey, error) {
	keys, err := a.Keys(ctx, "")
	if err != nil {
		return "", payment.APIKey{}, err
	}
	at := slices.IndexFunc(keys, func(key payment.APIKey) bool { return key.ID == id })
	switch {
	case at < 0:
		return "", payment.APIKey{}, configError("there is no such key; `paybuf key list` shows them")
	case !keys[at].RevokedAt.IsZero():
		return "", payment.APIKey{}, configError("this key was revoked; make a new one with `paybuf key create`")
	}
	plaintext, key, err := a.addKey(ctx, string(keys[at].Tenant), keys[at].Label)
	if err != nil {
		return "", payment.APIKey{}, err
	}
	_, err = a.db.ExpireKey(ctx, id, time.Now().Add(overlap))
	return plaintext, key, errors.Join(err, a.publish(ctx))
}

// RevokeKey ends a key at once.
func (a *Admin) RevokeKey(ctx context.Context, id string) (payment.APIKey, error) {
	key, err := a.db.RevokeKey(ctx, id)
	if err != nil {
		return payment.APIKey{}, err
	}
	return key, a.publish(ctx)
}

func (a *Admin) publish(ctx context.Context) error {
	if a.opts.Buffer.URL == "" {
		return nil
	}
	keys, err := a.db.Keys(ctx, "")
	if err == nil {
		err = buffer.PublishKeys(ctx, a.opts.Buffer, keys)
	}
	if err == nil {
		return nil
	}
	return &payment.Error{
		Code: payment.CodeUnavailable,
		Detail: fmt.Sprintf("the change is stored, but intake was not told; "+
			"a process with the role processor or status tells it within %s", keySyncInterval),
		Cause: err,
	}
}

// Totals counts what the ledger holds.
func (a *Admin) Totals(ctx context.Context) (postgres.Totals, error) { return a.db.Totals(ctx) }
