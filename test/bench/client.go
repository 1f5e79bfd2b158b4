package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// request is a request as it goes over the wire. It is made before the clock runs.
type request []byte

// request makes one as the server's own session.
func (s *server) request(method, path, body string) request {
	return s.requestAs(s.token, method, path, body)
}

func (s *server) requestAs(token, method, path, body string) request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: keypin-bench\r\nAuthorization: Bearer %s\r\n", method, path, s.address, token)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// connection is a client: one connection that is kept, and one request at a time. It
// does less than net/http's client, which would take its time from the server: both
// run on the same cores.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

func dial(ctx context.Context, address string) (*connection, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *connection) close() { _ = c.conn.Close() } // nothing is lost with it

// do sends the request and reads the whole answer, whose body is good until the next.
func (c *connection) do(r request, status int) ([]byte, error) {
	if _, err := c.conn.Write(r); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("answered %d, want %d: %s", resp.StatusCode, status, c.body.Bytes())
	}
	return c.body.Bytes(), nil
}
