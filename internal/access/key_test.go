package access_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/access"
)

var keyForm = regexp.MustCompile(`^pbk_([a-z2-7]{12})_([a-z2-7]{52})$`)

func authKey(t *testing.T, fill string) access.AuthKey {
	t.Helper()
	key, err := access.NewAuthKey([]byte(strings.Repeat(fill, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestNewKey_hasTheFormOfAKeyAndIsNewEachTime(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		plaintext, key := access.NewKey(authKey(t, "k"))
		parts := keyForm.FindStringSubmatch(plaintext)
		if parts == nil {
			t.Fatalf("%q is not of the form %s", plaintext, keyForm)
		}
		if key.ID != parts[1] {
			t.Errorf("the id is %q, the plaintext says %q", key.ID, parts[1])
		}
		if seen[parts[1]] || seen[parts[2]] {
			t.Fatalf("%q repeats an id or a secret", plaintext)
		}
		seen[parts[1]], seen[parts[2]] = true, true
	}
}

func TestNewKey_theHashDoesNotHoldTheSecret(t *testing.T) {
	plaintext, key := access.NewKey(authKey(t, "k"))
	if key.Hash == [32]byte{} {
		t.Fatal("the hash is empty")
	}
	if strings.Contains(plaintext, string(key.Hash[:])) {
		t.Error("the hash is part of the key")
	}
}

func TestNewAuthKey_aShortSecretIsRefused(t *testing.T) {
	if _, err := access.NewAuthKey(make([]byte, 31)); err == nil {
		t.Error("31 bytes were taken")
	}
	if _, err := access.NewAuthKey(make([]byte, 32)); err != nil {
		t.Errorf("32 bytes were refused: %v", err)
	}
}
