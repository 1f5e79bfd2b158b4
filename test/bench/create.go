package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

const (
	createTurn = 2 * time.Second
	manyAtOnce = 32 // clients
)

// creates compares making keys over HTTP with a bare loop of single-row inserts.
func (b *bench) creates(ctx context.Context) (rows []row, err error) {
	b.say("measuring creates")
	s, err := b.serve(ctx, "create")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	bare, err := openBare(ctx, filepath.Join(b.dir, "bare.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()

	request := s.request(http.MethodPost, "/api/v1/api-keys", `{"name":"Continuous integration","scopes":["workflows:read","voices:read"]}`)
	samples, err := turns(ctx, b.rounds, createTurn, bare.load(),
		s.requests(1, http.StatusCreated, request), s.requests(manyAtOnce, http.StatusCreated, request))
	if err != nil {
		return nil, err
	}
	for i, clients := range []int{1, manyAtOnce} {
		r := row{
			what:    fmt.Sprintf("create, %s", counted(clients)),
			figure:  throughput(samples[1+i]),
			against: "bare insert: " + throughput(samples[0]),
			ratio:   ratioOf(samples[1+i], samples[0], rate),
			aim:     atLeast(0.5),
		}
		if clients > 1 {
			r.aim = moreThan(1)
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
