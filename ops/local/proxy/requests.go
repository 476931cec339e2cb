package proxy

import (
	"encoding/binary"
	"sync"
)

// API is Kafka's number of a kind of request.
type API int

// The requests that can be cut.
const (
	Produce      API = 0
	OffsetCommit API = 8
)

// RequestFault is what is done to a kind of request.
type RequestFault int

// The faults of requests.
const (
	RequestsPass RequestFault = iota
	RequestLost               // the connection is cut before the broker has it
	AnswerLost                // the connection is cut after the broker has it, which may act on it
)

// Requests watches the way to Kafka for requests of a kind, and can cut the
// connection where one passes.
type Requests struct {
	mu sync.Mutex
	// What follows is guarded by mu.

	faults map[API]RequestFault
	cut    map[API]int64
}

// Watch is the watch to give to [Listen].
func (r *Requests) Watch() Watch { return Watch{Upstream, r} }

// Do sets what is done to requests of a kind from now on.
func (r *Requests) Do(api API, f RequestFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = map[API]RequestFault{}
	}
	r.faults[api] = f
}

// Heal lets all pass.
func (r *Requests) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.faults)
}

// Cut is how many requests of a kind were cut so far.
func (r *Requests) Cut(api API) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut[api]
}

// Connection implements Watcher.
func (r *Requests) Connection() Passage { return &requestPassage{all: r} }

// requestPassage follows the frames of one connection: a length of four bytes,
// then the request, which begins with its number in two.
type requestPassage struct {
	all  *Requests
	head []byte // of a frame whose first six bytes are not all here
	rest int    // bytes of the present frame that are still to come
}

// Pass implements Passage. It is by pieces, not requests, that a connection is
// cut: a client writes a request at once, and a small one is one piece.
func (p *requestPassage) Pass(piece []byte) Verdict {
	begun := p.begun(piece)
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	for _, api := range begun {
		f := p.all.faults[api]
		if f == RequestsPass {
			continue
		}
		if p.all.cut == nil {
			p.all.cut = map[API]int64{}
		}
		p.all.cut[api]++
		if f == RequestLost {
			return CutBefore
		}
		return CutBehind
	}
	return Pass
}

// begun returns the kinds of the requests that begin in the piece.
func (p *requestPassage) begun(piece []byte) (apis []API) {
	const head = 6
	for len(piece) > 0 {
		if p.rest > 0 {
			n := min(p.rest, len(piece))
			p.rest, piece = p.rest-n, piece[n:]
			continue
		}
		n := min(head-len(p.head), len(piece))
		p.head, piece = append(p.head, piece[:n]...), piece[n:]
		if len(p.head) < head {
			return apis
		}
		apis = append(apis, API(binary.BigEndian.Uint16(p.head[4:])))
		p.rest = int(binary.BigEndian.Uint32(p.head)) - 2
		p.head = p.head[:0]
	}
	return apis
}
