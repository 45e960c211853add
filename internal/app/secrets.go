package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
)

const secretBytes = 32

// Secrets are what an installation must keep. They come from a file, since flags
// and environments are shown by ps, crash reports and container tools.
type Secrets struct {
	// IDKey derives payment ids. It can never be changed.
	IDKey []byte `json:"id_key"`
	// AuthKey hashes API keys. Changing it voids all of them.
	AuthKey []byte `json:"auth_key"`
	// DevAPIKey is the key that `paybuf dev` made for its own tenant.
	DevAPIKey string `json:"dev_api_key,omitzero"`
	// WebhookKeys seal the secrets of webhooks, as SetWebhookKeys reads them. `paybuf dev`
	// makes one; `serve` uses them unless its variable names others.
	WebhookKeys string `json:"webhook_keys,omitzero"`
}

// NewSecrets draws secrets for a new installation.
func NewSecrets() Secrets {
	return Secrets{IDKey: randomBytes(), AuthKey: randomBytes()}
}

// LoadSecrets reads a secrets file and refuses one that others can read.
func LoadSecrets(file string) (Secrets, error) {
	if file == "" {
		return Secrets{}, configError("give --secrets-file FILE; `paybuf secrets FILE` makes one")
	}
	info, err := os.Stat(file)
	if err != nil {
		return Secrets{}, badSecrets(fmt.Sprintf(
			"the secrets file %s cannot be read; for a new installation `paybuf secrets %s` makes one", file, file), err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return Secrets{}, configError(fmt.Sprintf(
			"the secrets file %s can be read by others (mode %#o); run `chmod 600 %s`", file, info.Mode().Perm(), file))
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return Secrets{}, badSecrets(fmt.Sprintf("the secrets file %s cannot be read", file), err)
	}
	var secrets Secrets
	if err := json.Unmarshal(data, &secrets, json.RejectUnknownMembers(true)); err != nil {
		return Secrets{}, badSecrets(fmt.Sprintf("the secrets file %s is not one that `paybuf secrets` makes", file), err)
	}
	return secrets, secrets.check()
}

// CreateSecrets writes new secrets and never replaces a file that is there.
func CreateSecrets(file string) (Secrets, error) {
	secrets := NewSecrets()
	err := placeJSON(file, secrets, os.Link)
	switch {
	case errors.Is(err, fs.ErrExist):
		return Secrets{}, configError(fmt.Sprintf("%s exists already; secrets are never replaced", file))
	case err != nil:
		return Secrets{}, err
	}
	return secrets, nil
}

func (s Secrets) write(file string) error {
	return writeJSON(file, s)
}

func (s Secrets) check() error {
	if _, err := payment.NewIDKey(s.IDKey); err != nil {
		return configError(fmt.Sprintf("secrets: %v", err))
	}
	if _, err := access.NewAuthKey(s.AuthKey); err != nil {
		return configError(fmt.Sprintf("secrets: %v", err))
	}
	if _, err := sealed.ParseKeys(s.WebhookKeys); err != nil {
		return configError(fmt.Sprintf("secrets: %v", err))
	}
	return nil
}

func badSecrets(detail string, cause error) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: detail, Cause: cause}
}

// writeJSON replaces a private file as a whole: a reader sees the old one or the
// new one, also after a power cut.
func writeJSON(file string, value any) error {
	return placeJSON(file, value, os.Rename)
}

// placeJSON writes a file beside its place and then puts it there: os.Rename
// replaces what is there, os.Link does not.
func placeJSON(file string, value any, place func(from, to string) error) error {
	data, err := json.Marshal(value, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	dir := filepath.Dir(file)
	temporary, err := os.CreateTemp(dir, filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already if it was renamed
	_, err = temporary.Write(append(data, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = place(temporary.Name(), file)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// syncDir makes the names in a directory survive a power cut.
func syncDir(dir string) error {
	opened, err := os.Open(dir) //nolint:gosec // where our own file is
	if err != nil {
		return err
	}
	return errors.Join(opened.Sync(), opened.Close())
}

func randomBytes() []byte {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	return secret
}
