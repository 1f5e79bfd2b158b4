package docsite

import (
	"strconv"
	"strings"
)

// acceptsGzip reports whether a client takes gzip.
func acceptsGzip(accept []string) bool {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return quality(parameters) > 0
			}
		}
	}
	return false
}

// prefersMarkdown reports whether a client asks for Markdown, and not for HTML rather, which
// whatever else it takes stands for (RFC 9110, section 12.5.1).
func prefersMarkdown(accept []string) bool {
	var markdown, html, other float64
	named := false
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "text/markdown", "text/x-markdown":
				markdown = max(markdown, quality(parameters))
			case "text/html", "application/xhtml+xml":
				html, named = max(html, quality(parameters)), true
			case "text/*", "*/*":
				other = max(other, quality(parameters))
			}
		}
	}
	if !named {
		html = other
	}
	return markdown > 0 && markdown >= html
}

// quality is the weight among the parameters of an accepted form; 1 when there is none.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// matches reports whether If-None-Match names an ETag. Proxies that compress turn strong
// ones into weak ones.
func matches(given []string, etag string) bool {
	for _, line := range given {
		for item := range strings.SplitSeq(line, ",") {
			item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
			if item == etag || item == "*" {
				return true
			}
		}
	}
	return false
}
