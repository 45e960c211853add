package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// parsed gives the options of `serve` with these flags.
func parsed(t *testing.T, args ...string) (app.Options, error) {
	t.Helper()
	var f appFlags
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.add(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.options(flags)
}

func keyFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPayerFlags_sayWhatThePayerOffers(t *testing.T) {
	opts, err := parsed(t, "--payer", "http://127.0.0.1:9090", "--payer-no-lookup", "--payer-can-void",
		"--payer-key-window", "0", "--payer-key-bytes-max", "64", "--payer-visibility-delay", "20s")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "traits", *opts.Payer.Traits, payment.Traits{
		KeyBytesMax: 64, VisibilityDelay: 20 * time.Second, CanVoid: true, CanPend: true,
	})
}

func TestPayerFlags_ofStripe(t *testing.T) {
	key := keyFile(t, "sk_test_81\n")
	opts, err := parsed(t, "--payer", "stripe", "--payer-token-file", key, "--stripe-off-session", "--payer-no-lookup")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "key", opts.Stripe.SecretKey, "sk_test_81")
	equal(t, "absent", opts.Stripe.OffSession, true)
	equal(t, "no search", opts.Stripe.NoSearch, true)
	equal(t, "visibility delay, its own", opts.Stripe.VisibilityDelay, 0)

	opts, err = parsed(t, "--payer", "stripe", "--payer-token-file", key, "--payer-visibility-delay", "3m")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "visibility delay", opts.Stripe.VisibilityDelay, 3*time.Minute)
}

func TestPayerFlags_whatWouldBePassedOverIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--stripe-off-session"},
		{"--stripe-off-session", "--payer", "http://127.0.0.1:9090"},
		{"--statement-url=https://127.0.0.1:9090/statement", "--payer", "stripe"},
	} {
		name, _, _ := strings.Cut(args[0], "=")
		if _, err := parsed(t, args...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, want an error that names the first", args, err)
		}
	}
}

func TestPayerFlags_whatStripePromisesCannotBeTold(t *testing.T) {
	for _, flag := range []string{"--payer-key-window=48h", "--payer-key-bytes-max=30", "--payer-can-void"} {
		name, _, _ := strings.Cut(flag, "=")
		if _, err := parsed(t, "--payer", "stripe", flag); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want an error that names it", flag, err)
		}
	}
}
