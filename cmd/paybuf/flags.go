package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// appFlags are what `dev` and `serve` share.
type appFlags struct {
	opts            app.Options
	roles           []string
	payerTokenFile  string
	visibilityDelay time.Duration
	keyWindow       time.Duration
	noLookup        bool
	canVoid         bool
	keyBytesMax     int
	durability      string
	log             logFlags
	webhook         webhookFlags
}

func (f *appFlags) add(flags *pflag.FlagSet) {
	o := &f.opts
	flags.StringSliceVar(&f.roles, "roles", []string{"ingest", "processor", "status", "webhook"}, "what this process does")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "address for clients")
	flags.StringVar(&o.OperatorListen, "operator-listen", "127.0.0.1:8081", "address for health, readiness and metrics")
	flags.StringVar(&o.PublicURL, "public-url", "", "what stands before the paths of status URLs (default: the address that the client used)")
	flags.StringVar(&o.PayerURL, "payer", "", "URL of a payer that speaks the generic HTTP contract, or stripe")
	flags.StringVar(&f.payerTokenFile, "payer-token-file", "", "file with the bearer token for the payer, or with Stripe's secret key")
	flags.DurationVar(&f.visibilityDelay, "payer-visibility-delay", 30*time.Second, "how long a charge may be on its way, or missed by a look-up (stripe: 1h)")
	flags.DurationVar(&f.keyWindow, "payer-key-window", 24*time.Hour, "how long the payer remembers an idempotency key; 0 if it has none")
	flags.IntVar(&f.keyBytesMax, "payer-key-bytes-max", 0, "longest idempotency key that the payer takes; 0 if no limit is known")
	flags.BoolVar(&f.noLookup, "payer-no-lookup", false, "the payer cannot be asked about a charge")
	flags.BoolVar(&f.canVoid, "payer-can-void", false, "the payer takes a charge back by our id, if it cannot be asked")
	flags.BoolVar(&o.Stripe.OffSession, "stripe-off-session", false, "customers have agreed to be charged while absent")
	flags.DurationVar(&o.Processor.PayTimeout, "pay-timeout", 10*time.Second, "deadline of one call of the payer")
	flags.DurationVar(&o.Processor.Lease, "lease", 0, "how long a payment belongs to a worker (default: 3 x pay-timeout)")
	addPolicy(flags, o)
	flags.DurationVar(&o.Buffer.DedupWindow, "dedup-window", 2*time.Minute, "how long the stream itself knows a repetition")
	flags.DurationVar(&o.Buffer.IdempotencyTTL, "idempotency-key-ttl", 24*time.Hour, "how long an Idempotency-Key is kept, up to 720h")
	flags.Int64Var(&o.Buffer.IdempotencyBytesMax, "idempotency-bytes-max", 1<<30, "size of all idempotency keys at which new ones are refused")
	flags.Int64Var(&o.Buffer.StreamBytesMax, "stream-bytes-max", 4<<30, "size at which a stream refuses payments")
	flags.Int64Var(&o.Buffer.StreamMessagesMax, "stream-messages-max", 0, "messages at which a stream refuses payments; 0 for as many as its size holds")
	flags.Float64Var(&o.Buffer.TenantShare, "tenant-share", 0.5, "how much of the buffer's room that others leave one tenant may hold; 1 for all of it")
	flags.StringVar(&f.durability, "durability", "journal+stream",
		"what holds a payment before its 202: journal+stream, journal (accepts while NATS is down), or stream if it is replicated and synced")
	flags.Int64Var(&o.Buffer.JournalBytesMax, "journal-bytes-max", 8<<30, "size of the journal at which payments are refused")
	flags.DurationVar(&o.Buffer.AuditAfter, "audit-after", time.Minute, "age at which an accepted payment must be in Postgres, or is published again")
	flags.StringVar(&o.Reconcile.Dir, "statement-dir", "", "directory in which the payer's statements are put, as *.csv; the role processor compares each")
	flags.StringVar(&o.StatementURL, "statement-url", "", "where the payer serves its statement: a URL, or a path below --payer such as /statement")
	flags.DurationVar(&o.Reconcile.Every, "reconcile-every", time.Hour, "how long a period is for which that statement is fetched")
	f.webhook.add(flags, o)
	f.log.add(flags)
}

// addPolicy adds how hard the payer is pressed, and for how long.
func addPolicy(flags *pflag.FlagSet, o *app.Options) {
	p := &o.Processor
	flags.IntVar(&p.Concurrency, "concurrency", 128, "calls of the payer at once, at most; fewer while it is overloaded")
	flags.IntVar(&p.ConcurrencyMin, "concurrency-min", 0, "calls at once that are kept up however overloaded it is (default: a 32nd of concurrency)")
	flags.Float64Var(&p.PayerRate, "payer-rate", 0, "calls of the payer that may begin in a second; 0 for any number")
	flags.IntVar(&p.AttemptsMax, "attempts-max", 600, "calls that certainly did not charge, after which a payment is left to a person")
	flags.DurationVar(&p.ParkAfter, "park-after", 72*time.Hour, "age at which a payment without an outcome is left to a person")
	flags.DurationVar(&p.PendingParkAfter, "pending-park-after", 14*24*time.Hour, "the same for a payment that the payer has yet to decide")
	flags.DurationVar(&p.RetryBase, "retry-base", 500*time.Millisecond, "longest pause before the second try; it doubles with each")
	flags.DurationVar(&p.RetryMax, "retry-max", 5*time.Minute, "longest pause between two tries")
	flags.DurationVar(&p.LookupBase, "lookup-base", 0, "the same before the first look-up (default: retry-base)")
	flags.DurationVar(&p.LookupMax, "lookup-max", 0, "the same between two look-ups (default: retry-max)")
	flags.DurationVar(&p.PendingPoll, "pending-poll", 10*time.Second, "the same before a payer that decides later is asked first")
	flags.DurationVar(&p.PendingMax, "pending-max", 15*time.Minute, "the same between two such questions")
}

// options gives the options with everything that needs reading or checking.
func (f *appFlags) options(flags *pflag.FlagSet) (app.Options, error) {
	var err error
	if f.opts.Roles, err = app.ParseRoles(f.roles); err != nil {
		return app.Options{}, err
	}
	if f.opts.Logger, err = f.log.logger(); err != nil {
		return app.Options{}, err
	}
	if err := f.opts.SetDurability(f.durability); err != nil {
		return app.Options{}, err
	}
	if err := f.webhook.read(&f.opts); err != nil {
		return app.Options{}, err
	}
	if f.payerTokenFile != "" {
		token, err := os.ReadFile(f.payerTokenFile)
		if err != nil {
			return app.Options{}, usageError{fmt.Errorf("--payer-token-file: %w", err)}
		}
		f.opts.Payer.Token = strings.TrimSpace(string(token))
	}
	f.opts.Payer.Traits = &payment.Traits{
		KeyWindow: f.keyWindow, KeyBytesMax: f.keyBytesMax, CanLookup: !f.noLookup,
		VisibilityDelay: f.visibilityDelay, CanVoid: f.canVoid, CanPend: true,
	}
	return f.opts, errors.Join(f.tellStripe(flags),
		checkPositive(flags, "pay-timeout", "concurrency", "park-after", "pending-park-after", "attempts-max",
			"retry-base", "retry-max", "pending-poll", "pending-max", "dedup-window", "stream-bytes-max",
			"journal-bytes-max", "audit-after", "idempotency-key-ttl", "idempotency-bytes-max", "shards", "replicas", "tenant-share",
			"reconcile-every", "webhook-concurrency", "webhook-endpoint-concurrency", "webhook-timeout", "webhook-disable-after", "webhook-lease", "webhook-keep"),
		checkNotNegative(flags, "stream-messages-max", "lease", "concurrency-min", "payer-rate",
			"lookup-base", "lookup-max", "payer-key-window", "payer-key-bytes-max", "payer-visibility-delay"))
}

// tellStripe gives Stripe's adapter what it is told by the flags of payers. What
// Stripe promises is known, and cannot be told.
func (f *appFlags) tellStripe(flags *pflag.FlagSet) error {
	if f.opts.PayerURL != app.PayerStripe {
		if flags.Changed("stripe-off-session") {
			return usageError{errors.New("--stripe-off-session is only for --payer stripe")}
		}
		return nil
	}
	if flags.Changed("statement-url") { // Stripe has none, and its key is for nobody else
		return usageError{errors.New("--statement-url is not for --payer stripe; put its statements into --statement-dir")}
	}
	for _, name := range []string{"payer-key-window", "payer-key-bytes-max", "payer-can-void"} {
		if flags.Changed(name) {
			return usageError{fmt.Errorf("--%s is not for --payer stripe, whose promises are known", name)}
		}
	}
	f.opts.Stripe.SecretKey, f.opts.Stripe.NoSearch = f.opts.Payer.Token, f.noLookup
	if flags.Changed("payer-visibility-delay") {
		f.opts.Stripe.VisibilityDelay = f.visibilityDelay
	}
	return nil
}

// checkPositive refuses an explicit zero, which would silently mean the default.
// A command need not have them all.
func checkPositive(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		flag := flags.Lookup(name)
		if flag == nil {
			continue
		}
		if value := flag.Value.String(); strings.HasPrefix(value, "-") || value == "0" || value == "0s" {
			return usageError{fmt.Errorf("--%s must be greater than 0", name)}
		}
	}
	return nil
}

func checkNotNegative(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if strings.HasPrefix(flags.Lookup(name).Value.String(), "-") {
			return usageError{fmt.Errorf("--%s must not be negative", name)}
		}
	}
	return nil
}
