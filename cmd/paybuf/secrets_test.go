package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
)

func TestSecrets_webhookKeyIsPrintedAsTheVariableHasIt(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9_-]{1,32}:[A-Za-z0-9+/]{43}=\n$`)
	var opts app.Options
	for _, args := range [][]string{{}, {"--id", "2026a"}} {
		printed := must(t, append([]string{"secrets", "webhook-key"}, args...)...)
		if !form.MatchString(printed) || !strings.HasPrefix(printed, strings.TrimPrefix(strings.Join(args, ""), "--id")) {
			t.Errorf("%v prints %q", args, printed)
		}
		if err := opts.SetWebhookKeys(printed); err != nil {
			t.Error(err)
		}
	}
	refuse(t, exitUsage, "a-z, 0-9", "secrets", "webhook-key", "--id", "A:B")
	refuse(t, exitUsage, "unknown command", "secrets", "webhook-key", "file")
	if _, err := os.Stat("webhook-key"); err == nil {
		t.Error("a file was made")
	}
}

func TestServe_readsWebhookKeysFromTheEnvironmentAndNeverRepeatsThem(t *testing.T) {
	secrets := filepath.Join(t.TempDir(), "secrets.json")
	must(t, "secrets", secrets)
	for _, wrong := range []string{"zqkeymaterial", "a:zqkeymaterial", ":zqkeymaterial"} {
		t.Setenv(app.WebhookKeysVariable, wrong)
		refuse(t, exitUsage, "webhook keys", "serve", "--secrets-file", secrets)
		if got := paybuf(t, "serve", "--secrets-file", secrets); strings.Contains(got.stderr+got.stdout, "zqkeymaterial") {
			t.Errorf("the key is repeated: %s", got.stderr)
		}
	}
	refuse(t, exitUsage, "--webhook-keys", "serve", "--webhook-keys", "x")
	t.Setenv("PAYBUF_WEBHOOK_KEY", "x")
	refuse(t, exitUsage, "did you mean PAYBUF_WEBHOOK_KEYS?", "serve", "--secrets-file", secrets)
}
