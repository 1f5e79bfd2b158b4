package docsite

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// resource is something that can be asked for.
type resource struct {
	contentType string
	// fixed is for what has another address when it changes, and names no base URL.
	fixed    bool
	markup   bool      // it is HTML or XML
	markdown *resource // of a page: the same in Markdown

	// rendered gives what stands between the places of the base URL. It renders once.
	rendered func() ([][]byte, error)
}

// newResource is what make renders when it is first asked for.
func newResource(contentType string, make func() ([]byte, error)) *resource {
	return &resource{contentType: contentType, rendered: sync.OnceValues(func() ([][]byte, error) {
		made, err := make()
		return bytes.Split(made, []byte(baseMark)), err
	})}
}

// newMarkup is the same of HTML or XML.
func newMarkup(contentType string, make func() ([]byte, error)) *resource {
	r := newResource(contentType, make)
	r.markup = true
	return r
}

// newFixed is what is the same for ever.
func newFixed(contentType string, content []byte) *resource {
	return &resource{contentType: contentType, fixed: true, rendered: func() ([][]byte, error) { return [][]byte{content}, nil }}
}

// pack is a resource as it is sent to those who use one base URL.
type pack struct {
	contentType []string // a header's values, like those of a form
	plain       form
	zipped      *form // nil where that is not shorter
}

// form is what is sent of a pack.
type form struct {
	body         []byte
	etag, length []string
}

func formOf(body []byte, etag string) form {
	return form{body: body, etag: []string{`"` + etag + `"`}, length: []string{strconv.Itoa(len(body))}}
}

// pack fills the base URL in, and compresses what that makes if it is to be kept.
func (r *resource) pack(base string, kept bool) (*pack, error) {
	parts, err := r.rendered()
	if err != nil {
		return nil, err
	}
	if r.markup {
		base = html.EscapeString(base)
	}
	plain := bytes.Join(parts, []byte(base))
	sum := sha256.Sum256(plain)
	etag := hex.EncodeToString(sum[:12])
	made := &pack{contentType: []string{r.contentType}, plain: formOf(plain, etag)}
	if !kept {
		return made, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil { // a buffer takes everything
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() < len(plain) {
		zipped := formOf(bytes.Clone(b.Bytes()), etag+"-gzip")
		made.zipped = &zipped
	}
	return made, nil
}

// editions keep what is sent, for the base URLs that were used last.
//
// Who makes up hosts gets pages all the same, but makes little work and takes no memory: when
// the editions are all there, only one that nobody has used for a while makes room. Without an
// edition a page is sent as it is, and nothing is kept.
type editions struct {
	fixed edition // of what names no base URL
	all   atomic.Pointer[[]*edition]

	mu sync.Mutex // is held while the list changes
}

const (
	mostEditions = 4
	idleAfter    = time.Minute // without a request an edition may make room
)

// edition is everything as it is sent to those who use one base URL.
type edition struct {
	base  string
	used  atomic.Int64 // when it was last asked for something, in seconds
	packs sync.Map     // of *resource: func() (*pack, error)
}

// pack gives a resource as it is sent to those who use a base URL.
func (e *editions) pack(base string, r *resource, now time.Time) (*pack, error) {
	of := &e.fixed
	if !r.fixed {
		if of = e.of(base, now); of == nil {
			return r.pack(base, false)
		}
	}
	if made, ok := of.packs.Load(r); ok {
		return made.(func() (*pack, error))()
	}
	made, _ := of.packs.LoadOrStore(r, sync.OnceValues(func() (*pack, error) { return r.pack(base, true) }))
	return made.(func() (*pack, error))()
}

// of finds the edition for a base URL, or makes one; nil when there is no room.
func (e *editions) of(base string, now time.Time) *edition {
	if found := e.find(base, now); found != nil {
		return found
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if found := e.find(base, now); found != nil {
		return found
	}
	var list []*edition
	if old := e.all.Load(); old != nil {
		list = slices.Clone(*old)
	}
	if len(list) == mostEditions {
		list = slices.DeleteFunc(list, func(other *edition) bool { return now.Unix()-other.used.Load() >= int64(idleAfter.Seconds()) })
	}
	if len(list) == mostEditions {
		return nil
	}
	made := &edition{base: base}
	made.used.Store(now.Unix())
	list = append(list, made)
	e.all.Store(&list)
	return made
}

func (e *editions) find(base string, now time.Time) *edition {
	list := e.all.Load()
	if list == nil {
		return nil
	}
	for _, found := range *list {
		if found.base == base {
			if second := now.Unix(); found.used.Load() != second { // most requests write nothing
				found.used.Store(second)
			}
			return found
		}
	}
	return nil
}
