package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

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
	var site, plain []measure.Sample
	for round := range b.rounds + 1 {
		turns := []func() error{
			func() error { return b.turnOf(ctx, address, ours, &site) },
			func() error { return b.turnOf(ctx, files, theirs, &plain) },
		}
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return row, err
			}
		}
		measure.Say("turn %d, gzip %v: %.0f pages/s, file server %.0f", round, zipped, site[round].Rate, plain[round].Rate)
	}
	site, plain = site[1:], plain[1:] // the first warms both up
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
	body, err := c.Do(r, 200)
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

// turnOf lets every client ask for the pages one after another, for the time of a turn.
func (b *bench) turnOf(ctx context.Context, address string, requests []measure.Request, to *[]measure.Sample) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	var took []time.Duration
	began := time.Now()
	for client := range clients {
		group.Go(func() {
			mine, err := ask(ctx, address, requests, client*len(requests)/clients, began.Add(b.turn))
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			errs = append(errs, err)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.Sort(took)
	*to = append(*to, measure.Sample{
		Rate: float64(len(took)) / time.Since(began).Seconds(), P50: took[len(took)/2], P99: took[len(took)*99/100],
	})
	return nil
}

func ask(ctx context.Context, address string, requests []measure.Request, from int, until time.Time) (took []time.Duration, err error) {
	c, err := measure.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i := from; ; i++ {
		began := time.Now()
		if began.After(until) {
			return took, nil
		}
		if _, err := c.Do(requests[i%len(requests)], 200); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
}
