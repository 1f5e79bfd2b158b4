package measure

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Request is a request as it goes over the wire. It is made before the clock runs.
type Request []byte

// NewRequest makes one with the bearer token, none when that is empty.
func NewRequest(address, token, method, path, body string) Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: keypin-bench\r\n", method, path, address)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// Connection is a client: one connection that is kept, and one request at a time. It
// does less than net/http's client, which would take its time from the server: both
// run on the same cores.
type Connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

// Dial connects.
func Dial(ctx context.Context, address string) (*Connection, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Connection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Close ends the connection.
func (c *Connection) Close() { _ = c.conn.Close() } // nothing is lost with it

// Do sends the request and reads the whole answer, whose body is good until the next.
func (c *Connection) Do(r Request, status int) ([]byte, error) {
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
