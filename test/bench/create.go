package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const (
	createTurn = 2 * time.Second
	manyAtOnce = 32 // clients
)

// creates compares making keys over HTTP with a bare loop of single-row inserts.
func (b *bench) creates(ctx context.Context) (rows []measure.Row, err error) {
	measure.Say("measuring creates")
	s, err := b.serve(ctx, "create")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	bare, err := openBare(ctx, filepath.Join(b.dir, "bare.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()

	request := s.Request(http.MethodPost, "/api/v1/api-keys", `{"name":"Continuous integration","scopes":["workflows:read","voices:read"]}`)
	samples, err := measure.Turns(ctx, b.rounds, createTurn, bare.load(),
		s.Requests(1, http.StatusCreated, request), s.Requests(manyAtOnce, http.StatusCreated, request))
	if err != nil {
		return nil, err
	}
	for i, clients := range []int{1, manyAtOnce} {
		r := measure.Row{
			What:    fmt.Sprintf("create, %s", counted(clients)),
			Figure:  measure.Throughput(samples[1+i]),
			Against: "bare insert: " + measure.Throughput(samples[0]),
			Ratio:   measure.RatioOf(samples[1+i], samples[0], measure.Rate),
			Aim:     measure.AtLeast(0.5),
		}
		if clients > 1 {
			r.Aim = measure.MoreThan(1)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func counted(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}
