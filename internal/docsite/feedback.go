package docsite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

const feedbackPath = root + "/feedback"

// What is kept of votes in any 60 s: of one address, and of all together. The second keeps
// those who have many addresses from filling the database.
const (
	votesOfOne = 10
	votesOfAll = 120
)

// maxVote is how many bytes a vote has at most: a comment of characters that take twelve
// each when they are sent, and the rest.
const maxVote = 16 << 10

// dropEvery is of how many votes one, by chance, drops those beyond MaxPageVotes: it reads
// the ids of all that are kept, and votes that all did would hinder one another.
const dropEvery = 64

// voteTimeout is how long a reader waits for the database at most.
const voteTimeout = 10 * time.Second

// Votes are where votes are kept; a keypin.Store is it.
type Votes interface {
	// Tx makes a change. CodeUnavailable.
	Tx(ctx context.Context, change func(tx keypin.Tx) error) error
}

// thanksView thanks for a vote.
type thanksView struct {
	Page *page
	ID   string // of the vote, when it may have a comment still
}

// serveFeedback takes a vote or the comment on one, from the form on a page.
func (s *Site) serveFeedback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		s.serveProblem(w, r, problem{http.StatusMethodNotAllowed, "Votes are sent by the form at the end of a page."})
		return
	}
	thanks, err := s.takeFeedback(w, r)
	if err != nil {
		s.refuseFeedback(w, r, err)
		return
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": thanks.ID}) // the client is gone; nobody is left to tell
		return
	}
	s.sendOnce(w, r, http.StatusOK, typeHTML, func() ([]byte, error) {
		v := s.view("Thank you", "Your answer is kept.", "")
		v.Thanks = thanks
		return s.execute("layout.html", v)
	})
}

func (s *Site) takeFeedback(w http.ResponseWriter, r *http.Request) (*thanksView, error) {
	if err := s.sameOrigin.Check(r); err != nil {
		return nil, keypin.Wrap(keypin.CodeForbidden, "Votes are taken from this site's own pages only.", err)
	}
	if err := s.admit(r); err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, keypin.E(keypin.CodeUnsupportedMediaType, "The body must be application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxVote)
	if err := r.ParseForm(); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return nil, keypin.E(keypin.CodePayloadTooLarge, "The comment is too long.")
		}
		return nil, keypin.E(keypin.CodeValidation, "The body is not a form.")
	}
	on := s.byPath[r.PostForm.Get("page")]
	if on == nil {
		return nil, keypin.E(keypin.CodeValidation, "page must be the path of a page of this site.")
	}
	comment, err := parseComment(r.PostForm.Get("comment"))
	if err != nil {
		return nil, err
	}
	if r.PostForm.Has("id") {
		return s.addComment(r.Context(), on, r.PostForm.Get("id"), comment)
	}
	return s.addVote(r.Context(), on, r.PostForm.Get("answer"), comment)
}

// change makes a change of votes, in the time that a reader waits.
func (s *Site) change(ctx context.Context, change func(context.Context, keypin.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, voteTimeout)
	defer cancel()
	return s.options.Votes.Tx(ctx, func(tx keypin.Tx) error { return change(ctx, tx) })
}

func (s *Site) addVote(ctx context.Context, on *page, answer, comment string) (*thanksView, error) {
	if answer != "yes" && answer != "no" {
		return nil, keypin.E(keypin.CodeValidation, "answer must be yes or no.")
	}
	now := s.options.Clock()
	id, err := keypin.NewID(now, s.options.Random)
	if err != nil {
		return nil, err
	}
	vote := &keypin.PageVote{ID: id, At: keypin.Timestamp(now), Page: on.Path, Helpful: answer == "yes", Comment: comment}
	err = s.change(ctx, func(ctx context.Context, tx keypin.Tx) error {
		if err := tx.InsertPageVote(ctx, vote); err != nil || id[len(id)-1]%dropEvery != 0 {
			return err
		}
		return tx.DropPageVotes(ctx, keypin.MaxPageVotes)
	})
	if err != nil {
		return nil, err
	}
	thanks := &thanksView{Page: on}
	if comment == "" {
		thanks.ID = id.String()
	}
	return thanks, nil
}

func (s *Site) addComment(ctx context.Context, on *page, given, comment string) (*thanksView, error) {
	id, err := keypin.ParseID(given)
	if err != nil {
		return nil, keypin.E(keypin.CodeValidation, "id must be that of a vote.")
	}
	if comment == "" {
		return nil, keypin.E(keypin.CodeValidation, "comment must not be empty.")
	}
	err = s.change(ctx, func(ctx context.Context, tx keypin.Tx) error { return tx.CommentPageVote(ctx, id, on.Path, comment) })
	if err != nil {
		return nil, err
	}
	return &thanksView{Page: on}, nil
}

// parseComment checks a comment, which an operator will read on a terminal.
func parseComment(given string) (string, error) {
	comment := strings.TrimSpace(strings.ReplaceAll(given, "\r\n", "\n"))
	// The joiners are part of words, in Persian for one, and of emoji.
	strange := func(r rune) bool { return !strings.ContainsRune("\n\t\u200c\u200d", r) && !unicode.IsGraphic(r) }
	switch {
	case !utf8.ValidString(comment), strings.ContainsFunc(comment, strange):
		return "", keypin.E(keypin.CodeValidation, "comment must be text, without control characters.")
	case utf8.RuneCountInString(comment) > keypin.MaxVoteComment:
		return "", keypin.E(keypin.CodeValidation, fmt.Sprintf("comment must be at most %d characters.", keypin.MaxVoteComment))
	case token.Contains(comment):
		return "", keypin.E(keypin.CodeValidation, "comment must not contain an API key.")
	}
	return comment, nil
}

// admit counts the request against what its address, and all together, may send.
func (s *Site) admit(r *http.Request) error {
	address := s.options.ClientAddr(r)
	if address.Is6() { // who has one address of a network has all of them
		if network, err := address.WithZone("").Prefix(64); err == nil {
			address = network.Addr()
		}
	}
	// All together are looked at first: who has many addresses must not fill the limiter's
	// memory with them. They are counted last: what one address is refused counts for nobody.
	for _, counted := range []keypin.Admission{
		{Chain: everybody, Limit: votesOfAll},
		{Chain: keypin.ID(address.As16()), Limit: votesOfOne, Cost: 1},
		{Chain: everybody, Limit: votesOfAll, Cost: 1},
	} {
		state, ok, err := s.options.Limiter.Admit(r.Context(), counted, s.options.Clock())
		if err != nil {
			return err
		}
		if !ok || counted.Cost == 0 && state.Remaining == 0 {
			return &keypin.Error{Code: keypin.CodeRateLimited, Message: "There were many votes just now. Please try again later.", RetryAfter: state.ResetAt.Sub(s.options.Clock())}
		}
	}
	return nil
}

// everybody is what all votes are counted by: ::1, which is no network's address.
var everybody = keypin.ID{15: 1}

func wantsJSON(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), jsonType) }

// statusOf are the statuses that a vote can be refused with.
var statusOf = map[keypin.Code]int{
	keypin.CodeForbidden: http.StatusForbidden, keypin.CodeNotFound: http.StatusNotFound, keypin.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	keypin.CodePayloadTooLarge: http.StatusRequestEntityTooLarge, keypin.CodeValidation: http.StatusUnprocessableEntity,
	keypin.CodeRateLimited: http.StatusTooManyRequests, keypin.CodeUnavailable: http.StatusServiceUnavailable,
}

func (s *Site) refuseFeedback(w http.ResponseWriter, r *http.Request, err error) {
	code := keypin.CodeOf(err)
	status, known := statusOf[code]
	text := "Your answer could not be kept. Please try again later."
	var e *keypin.Error
	if errors.As(err, &e) {
		if e.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
		}
		if known && code != keypin.CodeNotFound && code != keypin.CodeUnavailable {
			text = e.Message
		}
	}
	if !known {
		status = http.StatusInternalServerError
	}
	if status >= http.StatusInternalServerError {
		s.options.Logger.ErrorContext(r.Context(), "a vote on a page could not be kept", slog.String("error", err.Error()))
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": string(code), "message": text}}) // as above
		return
	}
	s.sendOnce(w, r, status, typeHTML, func() ([]byte, error) { return s.htmlProblem(problem{status, text}, nil) })
}
