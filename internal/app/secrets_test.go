package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
)

func TestSecrets_areReadBackByTheirOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.json")
	made, err := app.CreateSecrets(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
	read, err := app.LoadSecrets(file)
	if err != nil || !reflect.DeepEqual(read, made) {
		t.Errorf("what was read is not what was made (%v)", err)
	}
	if again := app.NewSecrets(); string(again.IDKey) == string(made.IDKey) || string(again.AuthKey) == string(made.AuthKey) {
		t.Error("two installations have the same secrets")
	}
}

func TestSecrets_thatOthersCanReadAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.json")
	if _, err := app.CreateSecrets(file); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o666, 0o660, 0o610} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := app.LoadSecrets(file)
		wantRefusal(t, mode.String(), err, "chmod 600 "+file)
	}
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := app.LoadSecrets(file); err != nil {
		t.Errorf("a file that only its owner can read is refused: %v", err)
	}
}

// Another id key would give every order number a new payment id.
func TestSecrets_areNeverReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets.json")
	var made atomic.Int64
	var winner app.Secrets
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			secrets, err := app.CreateSecrets(file)
			if err != nil {
				wantRefusal(t, "a second time", err, "exists already")
				return
			}
			made.Add(1)
			winner = secrets
		})
	}
	wg.Wait()
	equal(t, "times that they were made", made.Load(), 1)
	read, err := app.LoadSecrets(file)
	if err != nil || !reflect.DeepEqual(read, winner) {
		t.Errorf("the file is not what its maker was told (%v)", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("what is left: %v (%v)", left, err)
	}
}

func TestSecrets_thatCannotBeReadSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.json")
	_, err := app.LoadSecrets(missing)
	wantRefusal(t, "no file", err, "paybuf secrets "+missing)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it cannot be told that there is none: %v", err)
	}
	_, err = app.LoadSecrets("")
	wantRefusal(t, "no name", err, "--secrets-file")

	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
	for what, text := range map[string]string{
		"nothing":           "",
		"not JSON":          secret,
		"not base64":        `{"id_key":"` + secret + `!","auth_key":""}`,
		"a secret too few":  `{"id_key":"` + secret + `"}`,
		"a secret too many": `{"id_key":"` + secret + `","auth_key":"` + secret + `","other_key":"` + secret + `"}`,
		"not a text":        `{"id_key":["` + secret + `"]}`,
	} {
		file := filepath.Join(dir, "bad.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := app.LoadSecrets(file)
		wantRefusal(t, what, err, "secrets")
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the secret: %v", what, err)
		}
	}
}

func TestSecrets_areNotMadeWhereTheyCannotBeKept(t *testing.T) {
	_, err := app.CreateSecrets(filepath.Join(t.TempDir(), "no", "such", "folder", "secrets.json"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}
