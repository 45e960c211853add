package app

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// What a hostile endpoint says before it was asked goes nowhere.
func TestMuteGlobalLog_aServersWordsAreNotOurs(t *testing.T) {
	var kept bytes.Buffer
	before := log.Writer()
	defer log.SetOutput(before)
	log.SetOutput(&kept)
	muteGlobalLog()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 20 {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 nobody has asked\r\n\r\n")
			conn.Close()
		}
	}()
	transport := &http.Transport{DisableKeepAlives: true}
	for range 20 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := transport.RoundTrip(request); err == nil {
			response.Body.Close()
		}
	}
	listener.Close()
	<-ended
	transport.CloseIdleConnections()
	if log.Writer() != io.Discard || kept.Len() > 0 {
		t.Errorf("the log has %q", kept.String())
	}
}
