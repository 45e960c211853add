package app_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

const endpointsPath = "/v1/webhook-endpoints"

var secretMember = regexp.MustCompile(`"secret":"(whsec_([^"]+))"`)

// register makes an endpoint and gives its id and its secret, base64 without prefix.
func (c *caller) register(url string) (id payment.ID, secret string) {
	c.t.Helper()
	got := c.must(c.try(http.MethodPost, endpointsPath, `{"url":"`+url+`"}`, "Content-Type: application/json"))
	found := secretMember.FindStringSubmatch(got.text)
	if got.status != http.StatusCreated || found == nil {
		c.t.Fatalf("%s: %d %s", url, got.status, got.text)
	}
	return got.shown.ID, found[2]
}

func drawWebhookKey(t *testing.T, id string) string {
	t.Helper()
	key, err := app.NewWebhookKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// startWithKeys starts a process with the role status and these webhook keys.
func (in *installation) startWithKeys(keys string) *process {
	in.t.Helper()
	opts := in.options(app.RoleStatus, app.RoleIngest)
	if err := opts.SetWebhookKeys(keys); err != nil {
		in.t.Fatal(err)
	}
	p := in.startWith(opts)
	p.awaitReady("")
	return p
}

func TestWebhookKeys_areExchangedWhileSecretsStay(t *testing.T) {
	t.Parallel()
	in := install(t)
	older, newer := drawWebhookKey(t, "older"), drawWebhookKey(t, "newer")
	p := in.startWithKeys(older)
	c := in.client(p, "acme")
	_, first := c.register("https://shop.example/hook")
	sealedWith := func(key string) bool {
		return in.count("SELECT count(*) FROM webhook_endpoints WHERE secret_key = '"+key+"'") == "1"
	}
	if !sealedWith("older") {
		t.Fatal("it is sealed with another key")
	}
	p.stop()
	in.startWithKeys(older + "," + newer).stop() // known everywhere
	if !sealedWith("older") {
		t.Error("a key that only opens has sealed")
	}
	p = in.startWithKeys(newer + "," + older)
	eventually(t, "sealed anew", func() bool { return sealedWith("newer") })
	eventually(t, "said so", func() bool { return strings.Contains(in.logs.String(), "resealed=1") })
	p.stop()
	p = in.startWithKeys(newer) // the old one is dropped
	_, second := newCaller(t, p.app.URL(), c.key).register("https://shop.example/hook")
	p.stop()

	log := in.logs.String()
	for what, secret := range map[string]string{
		"a key": strings.TrimPrefix(older, "older:"), "another key": strings.TrimPrefix(newer, "newer:"),
		"a secret": first, "another secret": second,
	} {
		raw, err := base64.StdEncoding.DecodeString(secret)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log, secret) || strings.Contains(log, string(raw)) {
			t.Errorf("%s is in the log", what)
		}
	}
}

func TestWebhookKeys_whichAreLostAreNamedInTheLog(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.startWithKeys(drawWebhookKey(t, "lost"))
	in.client(p, "acme").register("https://shop.example/hook")
	p.stop()
	in.startWithKeys(drawWebhookKey(t, "other"))
	eventually(t, "the lost key is named", func() bool {
		return strings.Contains(in.logs.String(), "rotate them") && strings.Contains(in.logs.String(), "lost")
	})
}

func TestWebhookEndpoints_needKeysAndHTTPS(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.startWithKeys("")
	c := in.client(p, "acme")
	for url, want := range map[string]payment.Code{
		"https://shop.example/": payment.CodeNoWebhooks, "http://shop.example/": payment.CodeInvalid, "http://127.0.0.1/": payment.CodeInvalid,
	} {
		got := c.must(c.try(http.MethodPost, endpointsPath, `{"url":"`+url+`"}`, "Content-Type: application/json"))
		equal(t, url, got.shown.Code, want)
	}
	equal(t, "the list", c.get(endpointsPath).status, http.StatusOK)
}

func TestSetWebhookKeys_theVariableWinsOverTheFile(t *testing.T) {
	var opts app.Options
	opts.Secrets.WebhookKeys = drawWebhookKey(t, "file")
	for text, want := range map[string]string{"": "file", drawWebhookKey(t, "variable"): "variable"} {
		if err := opts.SetWebhookKeys(text); err != nil || opts.WebhookKeys.Current() != want {
			t.Errorf("got %s, %v", opts.WebhookKeys, err)
		}
	}
	err := opts.SetWebhookKeys("zqkey")
	if code, _ := payment.CodeOf(err); code != payment.CodeConfig || strings.Contains(err.Error(), "zqkey") {
		t.Errorf("got %v", err)
	}
}

func TestDev_keepsOneWebhookKeyAlsoOnAnOlderDirectory(t *testing.T) {
	t.Parallel()
	dir := localtest.Dir(t)
	file := filepath.Join(dir, "secrets.json")
	if _, err := app.CreateSecrets(file); err != nil { // as before there were webhooks
		t.Fatal(err)
	}
	d := startDev(t, dir)
	c := d.client(true)
	c.register("http://127.0.0.1:9/hook") // a receiver on this machine
	c.register("http://localhost:9/hook")
	c.register("https://shop.example/hook")
	d.stop()
	made, err := app.LoadSecrets(file)
	if err != nil || !strings.HasPrefix(made.WebhookKeys, "dev:") {
		t.Fatalf("the keys are %.4s...: %v", made.WebhookKeys, err)
	}
	again := startDev(t, dir)
	again.client(true).register("https://shop.example/hook")
	again.stop()
	kept, err := app.LoadSecrets(file)
	if err != nil || kept.WebhookKeys != made.WebhookKeys {
		t.Errorf("the keys have changed: %v", err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	damaged := kept
	damaged.WebhookKeys = "zqkey"
	opts := app.Options{Roles: app.Roles(), PostgresURL: "x", PayerURL: "x", Secrets: damaged}
	opts.Buffer.JournalDir = dir
	if _, err := app.New(opts); err == nil || strings.Contains(err.Error(), "zqkey") || errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
