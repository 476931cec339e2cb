package proxy

import (
	"encoding/binary"
	"sync/atomic"
)

// offsetCommit is Kafka's number of the request.
const offsetCommit = 8

// Commits watches the way to Kafka for offset commits, and can cut the
// connection where one passes: just before it, so that it is refused without a
// word, or just after, so that it may be applied and its answer is lost.
type Commits struct {
	mode atomic.Int32
	seen atomic.Int64
	cut  atomic.Int64
}

// CommitFault is what is done to offset commits.
type CommitFault int32

// The faults of commits.
const (
	CommitsPass      CommitFault = iota
	CommitLost                   // before the broker has it
	CommitAnswerLost             // after the broker has it
)

// String says what the fault is.
func (f CommitFault) String() string {
	return [...]string{"pass", "commit lost", "commit's answer lost"}[f]
}

// Watch is the watch to give to [Listen].
func (c *Commits) Watch() Watch { return Watch{Upstream, c} }

// Do sets what is done to commits from now on.
func (c *Commits) Do(f CommitFault) { c.mode.Store(int32(f)) }

// Cut is how many commits were cut so far, and Seen how many there were.
func (c *Commits) Cut() int64  { return c.cut.Load() }
func (c *Commits) Seen() int64 { return c.seen.Load() }

// Connection implements Watcher.
func (c *Commits) Connection() Passage { return &commitPassage{all: c} }

// commitPassage follows the frames of one connection: a length of four bytes,
// then the request, which begins with its number in two.
type commitPassage struct {
	all  *Commits
	head []byte // of a frame whose first six bytes are not all here
	rest int    // bytes of the present frame that are still to come
}

// Pass implements Passage.
func (p *commitPassage) Pass(piece []byte) Verdict {
	if !p.holdsCommit(piece) {
		return Pass
	}
	p.all.seen.Add(1)
	switch CommitFault(p.all.mode.Load()) {
	case CommitLost:
		p.all.cut.Add(1)
		return CutBefore
	case CommitAnswerLost:
		p.all.cut.Add(1)
		return CutBehind
	default:
		return Pass
	}
}

// holdsCommit tells whether an offset commit begins in the piece. It is by
// pieces, not requests, that a connection is cut: a client writes a request at
// once, and one as small as a commit arrives as one piece.
func (p *commitPassage) holdsCommit(piece []byte) (found bool) {
	for len(piece) > 0 {
		if p.rest > 0 {
			n := min(p.rest, len(piece))
			p.rest, piece = p.rest-n, piece[n:]
			continue
		}
		n := min(6-len(p.head), len(piece))
		p.head, piece = append(p.head, piece[:n]...), piece[n:]
		if len(p.head) < 6 {
			return found
		}
		found = found || binary.BigEndian.Uint16(p.head[4:]) == offsetCommit
		p.rest = int(binary.BigEndian.Uint32(p.head)) - 2
		p.head = p.head[:0]
	}
	return found
}
