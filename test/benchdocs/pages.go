package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/keypin/keypin/test/measure"
)

// clients ask at once, each over a connection that is kept.
const clients = 16

const pagesAim = 0.8

// pages compares the site with a file server.
func (b *bench) pages(ctx context.Context) (rows []measure.Row, err error) {
	server := &measure.Server{Program: b.program, Dir: filepath.Join(b.dir, "data"), Env: []string{"KEYPIN_LOG_LEVEL=info"}}
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	paths, err := sitemap(ctx, server.Address)
	if err != nil {
		return nil, err
	}
	for _, zipped := range []bool{true, false} {
		row, err := b.compare(ctx, server.Address, paths, zipped)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// compare loads both, in turns.
func (b *bench) compare(ctx context.Context, address string, paths []string, zipped bool) (row measure.Row, err error) {
	folder := filepath.Join(b.dir, fmt.Sprint("folder-", zipped))
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return row, err
	}
	header := "Accept-Encoding: identity"
	if zipped {
		header = "Accept-Encoding: gzip"
	}
	ours, theirs, size := make([]measure.Request, len(paths)), make([]measure.Request, len(paths)), 0
	for i, path := range paths {
		ours[i] = request(address, path, header)
		page, err := fetch(ctx, address, ours[i])
		if err != nil {
			return row, err
		}
		size += len(page)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.html", i)), page, 0o600); err != nil {
			return row, err
		}
	}
	files, stop, err := b.serveFiles(ctx, folder)
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for i := range paths {
		theirs[i] = request(files, fmt.Sprintf("/%d.html", i), header)
	}
	measure.Say("pages, gzip %v", zipped)
	samples, err := measure.Turns(ctx, b.rounds+1, b.turn,
		(&measure.Server{Address: address}).Requests(clients, http.StatusOK, ours...),
		(&measure.Server{Address: files}).Requests(clients, http.StatusOK, theirs...))
	if err != nil {
		return row, err
	}
	site, plain := samples[0][1:], samples[1][1:] // the first warms both up
	what := "pages as they are"
	if zipped {
		what = "pages compressed"
	}
	return measure.Row{
		What:   fmt.Sprintf("%s, %d of them, %d bytes on average, %d clients", what, len(paths), size/len(paths), clients),
		Figure: measure.Throughput(site), Against: "`http.FileServer`: " + measure.Throughput(plain),
		Ratio: measure.RatioOf(site, plain, measure.Rate), Aim: measure.AtLeast(pagesAim),
	}, nil
}

func request(address, path, header string) measure.Request {
	plain := string(measure.NewRequest(address, "", "GET", path, ""))
	return measure.Request(strings.TrimSuffix(plain, "\r\n") + header + "\r\n\r\n")
}

func fetch(ctx context.Context, address string, r measure.Request) ([]byte, error) {
	c, err := measure.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	body, err := c.Do(r, http.StatusOK)
	return slices.Clone(body), err
}

// sitemap lists the paths of the pages.
func sitemap(ctx context.Context, address string) (paths []string, err error) {
	body, err := fetch(ctx, address, request(address, "/sitemap.xml", "Accept-Encoding: identity"))
	if err != nil {
		return nil, err
	}
	for _, part := range strings.Split(string(body), "<loc>http://"+address)[1:] {
		path, _, _ := strings.Cut(part, "</loc>")
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil, errors.New("the sitemap names no page")
	}
	return paths, nil
}

// serveFiles starts the file server.
func (b *bench) serveFiles(ctx context.Context, folder string) (address string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "files"), folder) //nolint:gosec // the folder is ours
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // the signal is what it ends by
		return err
	}
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return strings.TrimSpace(address), stop, nil
}
