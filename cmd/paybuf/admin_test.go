package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

// read reads what a command printed as JSON.
func read[T any](t *testing.T, printed string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(printed), &value); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	return value
}

// keyShown is a key as scripts see it.
type keyShown struct {
	ID        string     `json:"id"`
	Tenant    string     `json:"tenant"`
	Label     string     `json:"label"`
	APIKey    string     `json:"api_key"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// migrated is a database with tables, and a secrets file.
func migrated(t *testing.T) (postgresURL, secretsFile string) {
	t.Helper()
	postgresURL, secretsFile = localtest.Postgres(t), filepath.Join(t.TempDir(), "secrets.json")
	must(t, "migrate", "up", "--postgres", postgresURL)
	must(t, "secrets", secretsFile)
	return postgresURL, secretsFile
}

func TestMigrate_appliesWhatIsMissingOnce(t *testing.T) {
	url := localtest.Postgres(t)
	type step struct {
		Version   int64      `json:"version"`
		Name      string     `json:"name"`
		AppliedAt *time.Time `json:"applied_at"`
	}
	before := paybuf(t, "migrate", "status", "--postgres", url, "--json")
	equal(t, "exit code while some are missing", before.code, exitFailed)
	steps := read[[]step](t, before.stdout)
	if len(steps) == 0 || steps[0].AppliedAt != nil {
		t.Errorf("an empty database has %s", before.stdout)
	}
	table := paybuf(t, "migrate", "status", "--postgres", url)
	equal(t, "lines that say missing", strings.Count(table.stdout, "missing"), len(steps))

	printed := must(t, "migrate", "up", "--postgres", url)
	equal(t, "lines that say applied", strings.Count(printed, "applied 000"), len(steps))
	equal(t, "the second time", must(t, "migrate", "up", "--postgres", url), "up to date\n")

	after := read[[]step](t, must(t, "migrate", "status", "--postgres", url, "--json"))
	equal(t, "steps", len(after), len(steps))
	for i, made := range after {
		if made.Name != steps[i].Name || made.AppliedAt == nil || time.Since(*made.AppliedAt) > time.Hour {
			t.Errorf("step %d is %+v", i, made)
		}
	}
	if table := must(t, "migrate", "status", "--postgres", url); strings.Contains(table, "missing") {
		t.Errorf("it says %s", table)
	}
}

func TestCommands_sayWhenTheTablesAreMissing(t *testing.T) {
	refuse(t, exitUsage, "paybuf migrate up", "tenant", "list", "--postgres", localtest.Postgres(t))
}

func TestTenant_isCreatedOnceAndListed(t *testing.T) {
	url, _ := migrated(t)
	equal(t, "no tenants", must(t, "tenant", "list", "--postgres", url, "--json"), "[]\n")
	if printed := must(t, "tenant", "create", "acme", "--name", "Acme Ltd", "--postgres", url); !strings.Contains(printed, "acme") {
		t.Errorf("it says %q", printed)
	}
	refuse(t, exitFailed, "", "tenant", "create", "acme", "--postgres", url)
	refuse(t, exitUsage, "tenant", "tenant", "create", "Not A Tenant", "--postgres", url)

	t.Setenv("PAYBUF_POSTGRES", url) // as scripts do it
	type tenant struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		CreatedAt time.Time `json:"created_at"`
	}
	listed := read[[]tenant](t, must(t, "tenant", "list", "--json"))
	if len(listed) != 1 || listed[0].ID != "acme" || listed[0].Name != "Acme Ltd" || time.Since(listed[0].CreatedAt) > time.Hour {
		t.Errorf("listed are %+v", listed)
	}
	table := must(t, "tenant", "list")
	equal(t, "lines of the table", strings.Count(table, "\n"), 2)
	equal(t, "the tenant is in it", strings.Contains(table, "Acme Ltd"), true)
}

func TestKey_isShownOnceAndOnlyOnStandardOutput(t *testing.T) {
	url, secrets := migrated(t)
	t.Setenv("PAYBUF_POSTGRES", url)
	t.Setenv("PAYBUF_SECRETS_FILE", secrets)
	must(t, "tenant", "create", "acme")
	made := paybuf(t, "key", "create", "acme", "--label", "till-3")
	key := strings.TrimSuffix(made.stdout, "\n")
	if made.code != exitOK || !strings.HasPrefix(key, "pbk_") || strings.ContainsAny(key, " \n") {
		t.Fatalf("exit code %d, and on standard output %q", made.code, made.stdout)
	}
	secret := key[strings.LastIndex(key, "_")+1:]
	if strings.Contains(made.stderr, secret) {
		t.Errorf("the secret is on standard error: %s", made.stderr)
	}
	for _, args := range [][]string{{"key", "list"}, {"key", "list", "--json"}, {"tenant", "list"}} {
		if got := paybuf(t, args...); strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%v shows the secret again", args)
		}
	}
	kept := strings.Join(localtest.Query(t, url, "SELECT k::text FROM api_keys k"), "\n")
	if kept == "" || strings.Contains(kept, secret) || strings.Contains(kept, base64.StdEncoding.EncodeToString([]byte(secret))) {
		t.Errorf("kept is %q", kept)
	}
	refuse(t, exitFailed, "no tenant", "key", "create", "nobody")
}

func TestKey_rotateRevokeAndListTellTheWholeStory(t *testing.T) {
	url, secrets := migrated(t)
	t.Setenv("PAYBUF_POSTGRES", url)
	t.Setenv("PAYBUF_SECRETS_FILE", secrets)
	must(t, "tenant", "create", "acme")
	must(t, "tenant", "create", "globex")
	first := read[keyShown](t, must(t, "key", "create", "acme", "--label", "till-3", "--json"))
	equal(t, "id is in the key", strings.HasPrefix(first.APIKey, "pbk_"+first.ID+"_"), true)
	must(t, "key", "create", "globex")

	second := read[keyShown](t, must(t, "key", "rotate", first.ID, "--overlap", "1h", "--json"))
	equal(t, "tenant of the successor", second.Tenant, "acme")
	equal(t, "label of the successor", second.Label, "till-3")
	equal(t, "its key is another", second.APIKey != first.APIKey, true)
	if printed := must(t, "key", "revoke", second.ID); !strings.Contains(printed, "revoked key "+second.ID) {
		t.Errorf("it says %q", printed)
	}

	listed := read[[]keyShown](t, must(t, "key", "list", "--tenant", "acme", "--json"))
	equal(t, "keys of the tenant", len(listed), 2)
	for _, key := range listed {
		switch key.ID {
		case first.ID:
			if key.RevokedAt != nil || key.ExpiresAt == nil || time.Until(*key.ExpiresAt) < 50*time.Minute {
				t.Errorf("the rotated key is %+v", key)
			}
		case second.ID:
			if key.RevokedAt == nil || key.ExpiresAt != nil || time.Since(*key.RevokedAt) > time.Hour {
				t.Errorf("the revoked key is %+v", key)
			}
		default:
			t.Errorf("there is a key %+v", key)
		}
	}
	equal(t, "lines for all tenants", strings.Count(must(t, "key", "list"), "\n"), 1+3)
	refuse(t, exitUsage, "revoked", "key", "rotate", second.ID)
	refuse(t, exitUsage, "no such key", "key", "rotate", "nosuchkey")
	refuse(t, exitFailed, "key", "key", "revoke", "nosuchkey")
}

// The key exists even if nobody could be told: it must not be lost with the error.
func TestKey_isShownAlsoIfIntakeWasNotTold(t *testing.T) {
	url, secrets := migrated(t)
	must(t, "tenant", "create", "acme", "--postgres", url)
	got := paybuf(t, "key", "create", "acme", "--postgres", url, "--secrets-file", secrets, "--nats", "nats://"+unused(t))
	equal(t, "exit code", got.code, exitFailed)
	equal(t, "the key is shown", strings.HasPrefix(got.stdout, "pbk_"), true)
	for _, said := range []string{"the change is stored", "cause:", "NATS does not answer"} {
		if !strings.Contains(got.stderr, said) {
			t.Errorf("it does not say %q: %s", said, got.stderr)
		}
	}
}

func TestKey_needsTheSecretsOfTheInstallation(t *testing.T) {
	url, _ := migrated(t)
	must(t, "tenant", "create", "acme", "--postgres", url)
	refuse(t, exitUsage, "--secrets-file", "key", "create", "acme", "--postgres", url)
	file := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse(t, exitUsage, "secrets", "key", "create", "acme", "--postgres", url, "--secrets-file", file)
}
