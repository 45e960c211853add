package buffer

import (
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/payment"
)

const (
	answerFull      = `{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`
	answerInProcess = `{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}`
	answerStored    = `{"stream":"PAYBUF_0","seq":7}`
	answerNothing   = ""
)

// A server may refuse a message as too much before it looks whether it has it.
func TestStore_whatMayBeStoredIsNeverToldToBeRefused(t *testing.T) {
	for name, test := range map[string]struct {
		answers []string
		want    payment.Code // "" if it is stored
	}{
		"full at once":             {[]string{answerFull}, payment.CodeBufferFull},
		"full after no answer":     {[]string{answerNothing, answerFull}, payment.CodeBufferUnavailable},
		"full while in process":    {[]string{answerInProcess, answerFull}, payment.CodeBufferUnavailable},
		"in process, then stored":  {[]string{answerInProcess, answerInProcess, answerStored}, ""},
		"no answer, then answered": {[]string{answerNothing, answerStored}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, nil) // of its own: after enough silence a stream counts as broken
			var asked atomic.Int64
			subject := "test." + b.nc.NewInbox()
			responder, err := b.nc.Subscribe(subject, func(msg *nats.Msg) {
				answer := test.answers[min(asked.Add(1), int64(len(test.answers)))-1]
				if answer == answerNothing {
					return
				}
				if err := msg.Respond([]byte(answer)); err != nil {
					t.Errorf("respond: %v", err)
				}
			})
			if err != nil {
				t.Fatalf("subscribe: %v", err)
			}
			defer func() { _ = responder.Unsubscribe() }()
			got, err := b.store(t.Context(), b.Shards()[0], message{subject: subject, id: "x", body: []byte("{}")})
			if test.want == "" {
				if err != nil || got.Sequence != 7 {
					t.Errorf("store gave %+v, %v; want it stored", got, err)
				}
				return
			}
			if code, _ := payment.CodeOf(err); err == nil || code != test.want {
				t.Errorf("store gave %+v, %v; want %s", got, err, test.want)
			}
			if n := asked.Load(); n != int64(len(test.answers)) {
				t.Errorf("it was sent %d times, want %d", n, len(test.answers))
			}
		})
	}
}
