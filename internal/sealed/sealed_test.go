package sealed_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
)

const about = "whe_aaaa"

var secret = []byte("zq secret that nobody may see zq")

func newKey(t *testing.T, id string) string {
	t.Helper()
	text, err := sealed.NewKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t *testing.T, text string) sealed.Keys {
	t.Helper()
	keys, err := sealed.ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func seal(t *testing.T, keys sealed.Keys) payment.Sealed {
	t.Helper()
	s, err := keys.Seal(secret, about)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantCode(t *testing.T, err error, want payment.Code) {
	t.Helper()
	if code, _ := payment.CodeOf(err); err == nil || code != want {
		t.Errorf("got %v, want an error with the code %s", err, want)
	}
}

func TestOpen_givesWhatWasSealed(t *testing.T) {
	keys := parse(t, newKey(t, "2026a"))
	first, second := seal(t, keys), seal(t, keys)
	for _, s := range []payment.Sealed{first, second} {
		if s.KeyID != "2026a" || bytes.Contains(s.Data, secret[:8]) {
			t.Errorf("sealed as %q with the key %s", s.Data, s.KeyID)
		}
		if plain, err := keys.Open(s, about); err != nil || !bytes.Equal(plain, secret) {
			t.Errorf("opened as %q, %v", plain, err)
		}
	}
	if bytes.Equal(first.Data, second.Data) {
		t.Error("the same secret twice is sealed to the same bytes")
	}
}

func TestOpen_onlyForWhatItWasSealedFor(t *testing.T) {
	keys := parse(t, newKey(t, "a"))
	s := seal(t, keys)
	_, err := keys.Open(s, "whe_bbbb")
	wantCode(t, err, payment.CodeInternal)
	for i := range s.Data {
		changed := payment.Sealed{KeyID: s.KeyID, Data: bytes.Clone(s.Data)}
		changed.Data[i] ^= 1
		if _, err := keys.Open(changed, about); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
	}
	for _, data := range [][]byte{nil, {}, s.Data[:20], s.Data[:len(s.Data)-1]} {
		_, err := keys.Open(payment.Sealed{KeyID: "a", Data: data}, about)
		wantCode(t, err, payment.CodeInternal)
	}
}

func TestKeys_areExchangedWithoutAGap(t *testing.T) {
	older, newer := newKey(t, "2025z"), newKey(t, "2026a")
	old := seal(t, parse(t, older))
	for text, current := range map[string]string{
		older + "," + newer:     "2025z", // known everywhere first
		newer + " ,\n " + older: "2026a", // then it seals
	} {
		keys := parse(t, text)
		if keys.Current() != current || seal(t, keys).KeyID != current {
			t.Errorf("%s seals, want %s", keys.Current(), current)
		}
		if plain, err := keys.Open(old, about); err != nil || !bytes.Equal(plain, secret) {
			t.Errorf("an older value opens as %q, %v", plain, err)
		}
	}
	_, err := parse(t, newer).Open(old, about)
	wantCode(t, err, payment.CodeConfig)
	if !strings.Contains(err.Error(), `"2025z"`) {
		t.Errorf("the missing key is not named: %v", err)
	}
}

func TestOpen_anotherKeyOfTheSameNameIsNoUse(t *testing.T) {
	s := seal(t, parse(t, newKey(t, "a")))
	_, err := parse(t, newKey(t, "a")).Open(s, about)
	wantCode(t, err, payment.CodeInternal)
}

func TestParseKeys_refusesWithoutRepeatingAKey(t *testing.T) {
	good := newKey(t, "a")
	material := strings.TrimPrefix(good, "a:")
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	for _, text := range []string{
		material, ":" + material, "A:" + material, "a b:" + material, strings.Repeat("x", 33) + ":" + material,
		"a", "a:", "a:" + short, "a:" + material[:43], "a:" + material + "A", "a:" + strings.ToUpper(material[:20]) + "!",
		good + ",", "," + good, good + "," + good, good + ",b:", material + ":" + material,
		"a:" + base64.RawStdEncoding.EncodeToString(make([]byte, 32)),
	} {
		_, err := sealed.ParseKeys(text)
		wantCode(t, err, payment.CodeConfig)
		if err != nil && strings.Contains(err.Error(), material[:20]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	var many []string
	for i := range 17 {
		many = append(many, newKey(t, fmt.Sprint("k", i)))
	}
	parse(t, strings.Join(many[:16], ","))
	_, err := sealed.ParseKeys(strings.Join(many, ","))
	wantCode(t, err, payment.CodeConfig)
}

func TestKeys_noneIsNoError(t *testing.T) {
	for _, text := range []string{"", " ", "\n"} {
		keys := parse(t, text)
		if keys.Current() != "" {
			t.Errorf("%q has the key %s", text, keys.Current())
		}
		_, err := keys.Seal(secret, about)
		wantCode(t, err, payment.CodeConfig)
		_, err = keys.Open(payment.Sealed{KeyID: "a", Data: []byte("x")}, about)
		wantCode(t, err, payment.CodeConfig)
	}
}

func TestKeys_areNotPrinted(t *testing.T) {
	text := newKey(t, "a")
	keys := parse(t, text+","+newKey(t, "b"))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "a:"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := fmt.Sprintf("%d", raw)
	for _, printed := range []string{fmt.Sprint(keys), fmt.Sprintf("%+v %#v %s", keys, keys, keys)} {
		if strings.Contains(printed, string(raw)) || strings.Contains(printed, numbers) || !strings.Contains(printed, "a,b") {
			t.Errorf("printed as %s", printed)
		}
	}
}

func TestNewKey_needsAnID(t *testing.T) {
	for _, id := range []string{"", "A", "a:b", "a,b", strings.Repeat("x", 33)} {
		_, err := sealed.NewKey(id)
		wantCode(t, err, payment.CodeConfig)
	}
	if first, second := newKey(t, "a"), newKey(t, "a"); first == second {
		t.Error("two keys are the same")
	}
}
