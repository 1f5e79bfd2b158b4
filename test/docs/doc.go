// Package docs tests the documentation through its front door: the program as it is
// shipped serves it, and what the pages say is compared with what there is. Links lead
// somewhere, blocks of code that claim to run are run, all Go compiles, excerpts are parts of
// the files that they are from, every error code has its paragraph and every command its
// call, no page mentions a flag, setting, call or endpoint that does not exist, and a browser
// finds its way through all of it, with the keyboard alone too, on a phone, a wide screen and
// paper.
package docs
