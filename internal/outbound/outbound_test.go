package outbound

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestOneSend_takesTheBodysSecondSendAway(t *testing.T) {
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	request.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	once := OneSend(request)
	if once.GetBody != nil {
		t.Error("the body can be sent again")
	}
	if request.GetBody == nil {
		t.Error("the caller's request was changed, which a RoundTripper must not do")
	}
}

func TestReadAnswer_hasALimit(t *testing.T) {
	for size, tooLarge := range map[int]bool{0: false, AnswerBytesMax: false, AnswerBytesMax + 1: true, 10 * AnswerBytesMax: true} {
		body, err := ReadAnswer(strings.NewReader(strings.Repeat("x", size)))
		if errors.Is(err, ErrAnswerTooLarge) != tooLarge || len(body) != min(size, AnswerBytesMax) {
			t.Errorf("of %d bytes %d were read: %v", size, len(body), err)
		}
	}
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if body, err := ReadAnswer(broken); !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != "half" {
		t.Errorf("read %q: %v", body, err)
	}
}

func TestRetryAfter_readsWhatRFC9110Allows(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "999999999999": 24 * time.Hour, "99999999999999999999": 0,
		"-1": 0, "soon": 0, "Sat, 21 Nov 1996 09:00:00 GMT": 0,
	} {
		got, told := RetryAfter(http.Header{"Retry-After": {text}})
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		if readable := want > 0 || text == "0" || strings.HasSuffix(text, "GMT"); told != readable {
			t.Errorf("%q can be read: %v, want %v", text, told, readable)
		}
	}
}

func TestDeclined_showsOnlyWhatLooksLikeACode(t *testing.T) {
	for code, shown := range map[string]bool{
		"card_declined": true, "51": true, "do-not.honor": true, "": false, "two words": false,
		payment.FailurePredecessor: false, payment.FailureReleased: false, payment.FailureVoided: false, // ours
		"4111111111111111": false, strings.Repeat("x", 65): false, "<b>": false,
	} {
		failure := Declined(code)
		if (failure.Code == code) != shown || failure.Message == "" {
			t.Errorf("%q becomes %+v", code, failure)
		}
		if !shown && code != "" && strings.Contains(failure.Message, code) {
			t.Errorf("%q is in the message %q", code, failure.Message)
		}
	}
}

func TestIsID_isVisibleASCII(t *testing.T) {
	for text, want := range map[string]bool{
		"ch_7": true, "": false, "a b": false, "é": false, "a\n": false,
		strings.Repeat("x", 255): true, strings.Repeat("x", 256): false,
	} {
		if IsID(text) != want {
			t.Errorf("%q is an id: %v, want %v", text, !want, want)
		}
	}
}

func TestExcerptOf_endsAtItsLimitAndNotInsideACharacter(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "abcdefgh": "abcdef", "abcdeé": "abcde", "a\x00\nb": "a  b"} {
		if got := ExcerptOf(text, 6); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
