package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// pageSize is how many items an iterator asks for at a time, the most that is answered.
const pageSize = 100

// ListParams cut a part out of a list.
type ListParams struct {
	// Offset is how many items to skip.
	Offset int
	// Limit is how many items a page holds at most, 1 to 100; 0 = 50 of a page, and 100 at
	// a time of an iterator, which goes on to the list's end whatever the limit.
	Limit int
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Offset is the place of the first item in the list.
	Offset int
	// Total is how many items the whole list holds.
	Total int
	// More tells that other items follow.
	More bool
}

// Collect gathers a whole list, so that it can be changed while one goes through it. It
// stops at the first error.
func Collect[T any](list iter.Seq2[T, error]) ([]T, error) {
	var items []T
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// pageOf fetches one page of the list that k names.
func pageOf[T any](ctx context.Context, c *Client, k call, p ListParams, opts []CallOption) (*Page[T], error) {
	query := url.Values{}
	for name, values := range k.query {
		query[name] = values
	}
	if p.Offset != 0 {
		query.Set("offset", strconv.Itoa(p.Offset))
	}
	if p.Limit != 0 {
		query.Set("limit", strconv.Itoa(p.Limit))
	}
	k.query = query
	var body struct {
		Data       []T `json:"data"`
		Pagination *struct {
			Next  *string `json:"next"` // only whether there is one: it may name another host
			Total int     `json:"total"`
		} `json:"pagination"`
	}
	_, err := c.do(ctx, &k, opts, &body, func() bool { return body.Data != nil && body.Pagination != nil })
	if err != nil {
		return nil, err
	}
	return &Page[T]{Items: body.Data, Offset: p.Offset, Total: body.Pagination.Total, More: body.Pagination.Next != nil}, nil
}

// each goes through the list that k names, page by page.
func each[T any](ctx context.Context, c *Client, k call, p ListParams, opts []CallOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		next := p
		if next.Limit == 0 {
			next.Limit = pageSize
		}
		for {
			page, err := pageOf[T](ctx, c, k, next, opts)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if !page.More || len(page.Items) == 0 {
				return
			}
			next.Offset += len(page.Items)
		}
	}
}
