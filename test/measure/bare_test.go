package measure

import "testing"

func TestAnswersAreAlikeButForTheirTimeAndOrder(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 200 OK\r\nA: 1\r\nDate: now\r\nB: 2\r\n\r\nbody"
	for other, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nB: 2\r\nDate: then\r\nA: 1\r\n\r\nbody": true,
		"HTTP/1.1 200 OK\r\nA: 1\r\nDate: now\r\nB: 2\r\n\r\nBody":  false,
		"HTTP/1.1 201 OK\r\nA: 1\r\nDate: now\r\nB: 2\r\n\r\nbody":  false,
		"HTTP/1.1 200 OK\r\nA: 1\r\nDate: now\r\n\r\nbody":          false,
	} {
		if got := alike([]byte(answer), []byte(other)); got != want {
			t.Errorf("alike is %t for %q", got, other)
		}
	}
}
