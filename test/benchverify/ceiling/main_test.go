package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheAnswerIsTheOneThatWasTakenDown(t *testing.T) {
	t.Parallel()
	handler, err := replay(strings.NewReader("HTTP/1.1 201 Created\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 5\r\nDate: long ago\r\n\r\nhello"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for range 2 {
		answer, err := http.Post(server.URL, "text/plain", strings.NewReader("anything"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusCreated || string(body) != "hello" || len(answer.Header["X-Two"]) != 2 || answer.Header.Get("Date") == "long ago" {
			t.Errorf("answered %d %v %q", answer.StatusCode, answer.Header, body)
		}
	}
}
