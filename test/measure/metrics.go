package measure

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metrics reads what a data listener counts, in Prometheus' text form.
func Metrics(ctx context.Context, address string) (string, error) {
	c, err := Dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := c.Do(NewRequest(address, "", http.MethodGet, "/metrics", ""), http.StatusOK)
	return string(text), err
}

// Figure finds the metric of the name, which has no labels, or all of them in the name.
func Figure(metrics, name string) (float64, error) {
	for line := range strings.Lines(metrics) {
		if figure, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(figure), 64)
		}
	}
	return 0, fmt.Errorf("%s is not told", name)
}
