// Package docsite is the door for readers: it makes the documentation's site of the
// Markdown pages in docs/ and of the OpenAPI document that this very server describes
// itself with, and serves it to people as HTML and to programs as Markdown.
//
// New reads everything: which pages there are, their headings, what can be searched and
// what every operation takes and answers. It fails where a page is missing. A page is
// rendered when it is first asked for, and kept. Pages name this server by one base URL,
// the reader's: it is filled in when an answer is packed, and the packed answers of the few
// base URLs that are in use are kept (see editions). So nothing is rendered twice, what is
// sent often is compressed once, and every example names the server as its reader does.
//
// No page holds a script or a style of its own, and nothing comes from elsewhere: the
// Content-Security-Policy allows this server's files alone. Pages say everything without
// JavaScript, which adds search, copying, the form that tries a request, and votes in
// place.
package docsite
