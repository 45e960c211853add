package postgres_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestBury_keepsEachLetterOnceAndWhole(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	raw := []byte("\x00\xff{not json")
	letters := []payment.DeadLetter{
		{Subject: "paybuf.intake.0.pay_1", Raw: raw, Reason: "the first reason"},
		{Subject: "paybuf.intake.0.pay_2", Raw: raw, Reason: "odd\x00\xff"},
		{Subject: "odd\x00\xff", Raw: nil, Reason: ""},
		{Subject: "paybuf.intake.0.pay_1", Raw: raw, Reason: "another reason"},
	}
	for range 2 {
		if err := l.Bury(t.Context(), letters); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.count("dead_letters"); n != 3 {
		t.Errorf("%d letters, want 3", n)
	}
	const letterSQL = "FROM dead_letters WHERE digest = sha256($1)"
	digested := append([]byte("paybuf.intake.0.pay_1\x00"), raw...)
	if got := query[[]byte](l, "SELECT raw "+letterSQL, digested); !bytes.Equal(got, raw) {
		t.Errorf("kept %q, want %q", got, raw)
	}
	if got := query[string](l, "SELECT reason "+letterSQL, digested); got != "the first reason" {
		t.Errorf("the reason is %q", got)
	}
}

func TestBury_sameLettersAtOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var letters []payment.DeadLetter
	for i := range 50 {
		letters = append(letters, payment.DeadLetter{Subject: "s", Raw: []byte{byte(i)}, Reason: "r"})
	}
	together(8, func(i int) {
		mine := append(append([]payment.DeadLetter{}, letters[i:]...), letters[:i]...)
		if err := l.Bury(context.Background(), mine); err != nil {
			t.Error(err)
		}
	})
	if n := l.count("dead_letters"); n != len(letters) {
		t.Errorf("%d letters, want %d", n, len(letters))
	}
}

func TestBury_refusesTooMany(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	mustCode(t, l.Bury(t.Context(), make([]payment.DeadLetter, postgres.BatchMax+1)), payment.CodeInvalid)
	if err := l.Bury(t.Context(), nil); err != nil {
		t.Errorf("to bury nothing: %v", err)
	}
}
