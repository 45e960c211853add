package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

const (
	devTenant      = payment.TenantID("dev")
	devFile        = "dev.json"
	devSecretsFile = "secrets.json"
	devWebhookKey  = "dev"
	devLedgerFile  = "payer-ledger.ndjson"
	devNATSFolder  = "nats"
	devJournal     = "journal"
	dirMode        = 0o755 // Postgres' own user must get in; each file inside has its own mode
)

// DevOptions are what `paybuf dev` is told. Options holds what it shares with
// `serve`; dev fills in the servers it brings along.
type DevOptions struct {
	Options
	Dir string // everything that is kept
}

// Dev is a whole Paybuf on one machine: JetStream inside the process, a private
// Postgres beside it, and a payer that is simulated unless one was named.
type Dev struct {
	opts  DevOptions
	log   *slog.Logger
	app   *App
	stops []stop
	info  DevInfo
	fatal chan error
	nats  *local.NATS
}

// DevInfo is what DIR/dev.json tells other programs while dev is ready.
type DevInfo struct {
	URL         string `json:"url"`
	OperatorURL string `json:"operator_url"`
	APIKey      string `json:"api_key"`
	PayerURL    string `json:"payer_url"`
	PostgresURL string `json:"postgres_url"`
}

// StartDev starts everything on the directory, with all that it knew before. The
// file dev.json appears when it is ready, and goes when it stops.
func StartDev(ctx context.Context, opts DevOptions) (*Dev, error) {
	if err := opts.checkDev(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	opts.Dir = dir
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Dev{opts: opts, log: opts.Logger, fatal: make(chan error, 3)}
	d.opts.Buffer.JournalDir = d.path(devJournal)
	d.opts.Webhook.Targets.Insecure = true // whoever tries it out listens on this machine
	if err := d.start(ctx); err != nil {
		d.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return d, nil
}

func (d *Dev) start(ctx context.Context) error {
	if err := d.startServers(ctx); err != nil {
		return err
	}
	// A file that an earlier process left behind when it was killed. It goes only
	// now that the directory is known to be ours.
	if err := os.Remove(d.path(devFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := d.prepareTenant(ctx); err != nil {
		return err
	}
	if err := d.startPayer(); err != nil {
		return err
	}
	app, err := New(d.opts.Options)
	if err != nil {
		return err
	}
	app.fatal = d.fatal
	if err := app.Start(ctx); err != nil {
		return err
	}
	d.app = app
	d.onStop("app", app.Stop)
	d.onStop("jetstream's keeper", keepNATS(d.nats, app.buffer, d.log).stop)
	if err := d.publishKeys(ctx); err != nil {
		return err
	}
	d.info.URL, d.info.OperatorURL = app.URL(), app.OperatorURL()
	d.onStop(devFile, func(context.Context) { _ = os.Remove(d.path(devFile)) })
	return writeJSON(d.path(devFile), d.info)
}

// startServers starts Postgres and JetStream side by side.
func (d *Dev) startServers(ctx context.Context) error {
	var (
		pg              *local.Postgres
		jetstream       *local.NATS
		pgErr, natsErr  error
		migrated        []string
		starting        sync.WaitGroup
		postgresOptions = local.PostgresConfig{Dir: d.opts.Dir, Logger: d.log}
		// Without a journal, what a 202 means rests on the stream alone.
		natsOptions = local.NATSConfig{
			Dir: d.path(devNATSFolder), SyncAlways: d.opts.Buffer.Durability == buffer.StreamOnly, Logger: d.log,
		}
	)
	starting.Go(func() {
		if pg, pgErr = local.StartPostgres(ctx, postgresOptions); pgErr == nil {
			migrated, pgErr = postgres.Migrate(ctx, pg.URL())
		}
	})
	starting.Go(func() { jetstream, natsErr = local.StartNATS(ctx, natsOptions) })
	starting.Wait()
	if pg != nil {
		keeper := keepPostgres(pg, postgresOptions, d.fatal)
		d.onStop("postgres", keeper.stop)
		d.opts.PostgresURL, d.info.PostgresURL = pg.URL(), pg.URL()
	}
	if jetstream != nil {
		d.onStop("jetstream", func(context.Context) { jetstream.Stop() })
		d.nats, d.opts.Buffer.InProcess = jetstream, jetstream.InProcess()
	}
	if len(migrated) > 0 {
		d.log.Debug("migrated", slog.Any("files", migrated))
	}
	return errors.Join(pgErr, natsErr)
}

// prepareTenant sees to secrets, the tenant and its API key: made at the first
// start, found at every later one, whatever was killed in between.
func (d *Dev) prepareTenant(ctx context.Context) error {
	file := d.path(devSecretsFile)
	secrets, err := LoadSecrets(file)
	if errors.Is(err, fs.ErrNotExist) {
		secrets, err = CreateSecrets(file)
	}
	if err != nil {
		return err
	}
	if secrets.WebhookKeys == "" { // also of a directory that is older than webhooks
		if secrets.WebhookKeys, err = NewWebhookKey(devWebhookKey); err != nil {
			return err
		}
		if err := secrets.write(file); err != nil {
			return err
		}
	}
	db, err := postgres.Open(ctx, d.opts.PostgresURL, postgres.Config{})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.CreateTenant(ctx, devTenant, "development"); err != nil && !isTaken(err) {
		return err
	}
	known, err := db.Keys(ctx, devTenant)
	if err != nil {
		return err
	}
	id, _ := access.KeyID(secrets.DevAPIKey)
	if !slices.ContainsFunc(known, func(key payment.APIKey) bool { return key.ID == id }) {
		if secrets.DevAPIKey, err = addDevKey(ctx, db, secrets); err != nil {
			return err
		}
		if err := secrets.write(file); err != nil {
			return err
		}
	}
	d.opts.Secrets, d.opts.DevTenant, d.info.APIKey = secrets, devTenant, secrets.DevAPIKey
	return d.opts.SetWebhookKeys(secrets.WebhookKeys)
}

func addDevKey(ctx context.Context, db *postgres.DB, secrets Secrets) (string, error) {
	auth, err := access.NewAuthKey(secrets.AuthKey)
	if err != nil {
		return "", err
	}
	plaintext, key := access.NewKey(auth)
	key.Tenant, key.Label = devTenant, "made by paybuf dev"
	_, err = db.AddKey(ctx, key)
	return plaintext, err
}

// publishKeys copies the API keys to intake, whatever the roles, so that the one
// in dev.json works as soon as the file is there.
func (d *Dev) publishKeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, keySyncTimeout, errKeySyncSlow)
	defer cancel()
	db, err := postgres.Open(ctx, d.opts.PostgresURL, postgres.Config{})
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := db.Keys(ctx, "")
	if err != nil {
		return err
	}
	if err := d.app.buffer.Keys().Replace(ctx, keys); err != nil {
		return err
	}
	id, _ := access.KeyID(d.info.APIKey)
	return d.app.awaitKey(ctx, id)
}

// startPayer simulates a payer unless one was named.
func (d *Dev) startPayer() error {
	d.info.PayerURL = d.opts.PayerURL
	if d.opts.PayerURL != "" {
		return nil
	}
	payer, err := StartSimulator(SimulatorOptions{
		Options: simulator.Options{Ledger: d.path(devLedgerFile)}, Listen: "127.0.0.1:0",
	})
	if err != nil {
		return err
	}
	d.onStop("payer", payer.Stop)
	d.opts.PayerURL, d.info.PayerURL = payer.URL(), payer.URL()
	// The simulator shows a charge at once.
	d.opts.Payer.Traits = &payment.Traits{CanLookup: true, KeyWindow: simulatorKeyWindow, CanPend: true}
	return nil
}

// Info is where everything is.
func (d *Dev) Info() DevInfo { return d.info }

// Fatal gives an error after which dev is of no use.
func (d *Dev) Fatal() <-chan error { return d.fatal }

// Stop stops everything in reverse order.
func (d *Dev) Stop(ctx context.Context) {
	for _, stop := range slices.Backward(d.stops) {
		stop.run(ctx)
	}
	d.stops = nil
}

func (d *Dev) onStop(name string, run func(context.Context)) {
	d.stops = append(d.stops, stop{name: name, run: run})
}

func (d *Dev) path(name string) string { return filepath.Join(d.opts.Dir, name) }

// checkDev finds what cannot work before anything is made or started.
func (o DevOptions) checkDev() error {
	if err := errors.Join(checkLoopback("--listen", o.Listen), checkLoopback("--operator-listen", o.OperatorListen)); err != nil {
		return err
	}
	if err := o.Processor.Check(); err != nil {
		return configError(err.Error())
	}
	if err := o.Webhook.Check(); err != nil {
		return configError(err.Error())
	}
	if o.PayerURL == "" {
		return nil
	}
	payer, err := newPayer(o.Options)
	if err != nil {
		return err
	}
	payer.Close()
	return nil
}

// checkLoopback refuses an address that others could reach: dev lets requests
// in without a key.
func checkLoopback(flag, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return configError(fmt.Sprintf("%s %s: %v", flag, address, err))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return configError(fmt.Sprintf("dev serves this machine only; %s %s must be on 127.0.0.1 (see `paybuf serve`)", flag, address))
	}
	return nil
}

func isTaken(err error) bool {
	code, _ := payment.CodeOf(err)
	return code == payment.CodeInvalid
}
