// Command benchdocs measures the documentation's site: how many pages a second the
// program gives, beside a process that serves the same bytes with Go's http.FileServer, and
// how much later the program is ready because of the site. It writes its table into
// docs/benchmarks.md.
package main
