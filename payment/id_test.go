package payment

import (
	"bytes"
	"strings"
	"testing"
)

func mustKey(t testing.TB, letter byte) IDKey {
	t.Helper()
	key, err := NewIDKey(bytes.Repeat([]byte{letter}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestDerive_sameOrderSameId(t *testing.T) {
	key := mustKey(t, 'k')
	id := key.Derive("acme", "A-1", "")
	if again := key.Derive("acme", "A-1", ""); again != id {
		t.Errorf("derived %s and then %s", id, again)
	}
	// A golden value: ids in Postgres, at payers and in clients' books outlive
	// every release.
	if want := ID("pay_hjwzoby6nizvcgpkcisfl2dioq"); id != want {
		t.Errorf("derived %s, want %s as ever", id, want)
	}
	if got, want := key.Derive("acme", "A-1", "pay_7dkqgq2tmq3lxmt6vhqzffq2oq"), ID("pay_lvyklcucfp5juvjyfl3vyyodju"); got != want {
		t.Errorf("derived %s for a retry, want %s as ever", got, want)
	}
	if parsed, err := ParseID(string(id)); err != nil || parsed != id {
		t.Errorf("ParseID(%s) = %s, %v", id, parsed, err)
	}
}

func TestDerive_anythingElseIsAnotherId(t *testing.T) {
	key := mustKey(t, 'k')
	first := key.Derive("acme", "A-1", "")
	seen := map[ID]string{first: "the first"}
	for name, id := range map[string]ID{
		"another order":             key.Derive("acme", "A-2", ""),
		"another tenant":            key.Derive("acm", "A-1", ""),
		"another key":               mustKey(t, 'o').Derive("acme", "A-1", ""),
		"trying the first again":    key.Derive("acme", "A-1", first),
		"tenant and order shifted":  key.Derive("acmeA", "-1", ""),
		"order number in two parts": key.Derive("acme", "A", "1"),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[id] = name
	}
}

func TestNewIDKey_shortKeyIsRefused(t *testing.T) {
	if _, err := NewIDKey(make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes was accepted")
	}
}

func TestCheck_showsNothingOfTheKey(t *testing.T) {
	a, b := mustKey(t, 'k'), mustKey(t, 'o')
	if a.Check() != mustKey(t, 'k').Check() || a.Check() == b.Check() {
		t.Error("the check does not tell equal keys from different ones")
	}
	if strings.Contains(a.Check(), "kkkk") {
		t.Error("the check contains the key")
	}
}

func TestParseID_refusesWhatIsNoId(t *testing.T) {
	good := string(mustKey(t, 'k').Derive("acme", "A-1", ""))
	for _, text := range []string{
		"", "pay_", good[4:], strings.ToUpper(good), good + "a", good[:len(good)-1],
		good[:len(good)-1] + "1", "pay_" + strings.Repeat("z", 26), // unused bits set: not canonical
		good + "/events", "pay_../../x",
	} {
		if _, err := ParseID(text); err == nil {
			t.Errorf("%q was taken for an id", text)
		}
	}
}

func TestParseTenantID_form(t *testing.T) {
	for _, text := range []string{"a", "acme", "acme-2", "0_x", strings.Repeat("a", 40)} {
		if _, err := ParseTenantID(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "Acme", "-a", "_a", "a.b", "a b", "ä", strings.Repeat("a", 41), "a\x00"} {
		if _, err := ParseTenantID(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestIDLength_isThatOfEveryID(t *testing.T) {
	for _, order := range []string{"A-1", strings.Repeat("x", 64)} {
		if id := mustKey(t, 'k').Derive("acme", order, ""); len(id) != IDLength {
			t.Errorf("%s has %d characters, want %d", id, len(id), IDLength)
		}
	}
}
