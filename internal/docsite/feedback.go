package docsite

import "net/http"

const feedbackPath = root + "/feedback"

// thanksView thanks for a vote.
type thanksView struct {
	Page *page
	ID   string // of the vote, for a comment
}

func (s *Site) serveFeedback(w http.ResponseWriter, r *http.Request) {
	s.serveProblem(w, r, http.StatusNotFound)
}
