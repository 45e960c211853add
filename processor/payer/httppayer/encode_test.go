package httppayer

import (
	"bytes"
	"testing"

	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// A request comes from the stream the first time and from the database every
// other time. The payer compares the bodies that it gets under one key.
func TestEncodeCharge_sameBytesHoweverTheRequestWasKept(t *testing.T) {
	request := payertest.NewRequest(t)
	request.Metadata = nil
	first, err := encodeCharge(request)
	if err != nil {
		t.Fatal(err)
	}
	request.Metadata = map[string]string{}
	again, err := encodeCharge(request)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Errorf("first %s, then %s", first, again)
	}
}
