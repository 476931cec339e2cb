package proxy

import (
	"sync"
	"sync/atomic"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
)

// Watch is a watcher of one direction of every connection of a proxy.
type Watch struct {
	Direction Direction
	Watcher   Watcher
}

// Watcher sees every new connection.
type Watcher interface {
	// Connection returns who sees one connection's bytes.
	Connection() Passage
}

// Passage sees the bytes of one direction of one connection, in the pieces
// they are sent in. It is called by one goroutine at a time.
type Passage interface {
	Pass(piece []byte) Verdict
}

// Verdict is what becomes of a piece.
type Verdict struct {
	kind verdict
	held <-chan struct{}
}

type verdict int

const (
	pass verdict = iota
	lose
	cutBefore
	cutAfter
	hold
)

// The verdicts: a piece passes, is lost while the connection stays, or is where
// the connection is cut, just before or just after it.
var (
	Pass      = Verdict{kind: pass}
	Lose      = Verdict{kind: lose}
	CutBefore = Verdict{kind: cutBefore}
	CutBehind = Verdict{kind: cutAfter}
)

// Hold keeps a piece, and whatever follows it on the connection, until the
// channel is closed.
func Hold(until <-chan struct{}) Verdict { return Verdict{kind: hold, held: until} }

// counter is the watcher that only counts.
type counter struct{ pieces *atomic.Int64 }

// Connection implements Watcher.
func (c counter) Connection() Passage { return c }

// Pass implements Passage.
func (c counter) Pass([]byte) Verdict {
	c.pieces.Add(1)
	return Pass
}

// tapType is how toxiproxy knows our toxic.
const tapType = "penstock_watch"

// registered adds it to those that toxiproxy can make. One of toxiproxy's own
// writes to the program's log, past the logger it is given.
var registered = sync.OnceFunc(func() {
	toxics.Register(tapType, new(tap))
	log.Logger = zerolog.Nop()
})

// tap is the toxic that asks a watcher. Toxiproxy makes it without one and sets
// it to work with the first connection; the watcher is set before there is any.
type tap struct {
	watcher Watcher
}

// NewState implements toxics.StatefulToxic: it is called once a connection.
func (t *tap) NewState() any { return t.watcher.Connection() }

// Pipe implements toxics.Toxic. What is held is read all the same: whoever sent
// it is done with it, as if it was on a long line.
func (t *tap) Pipe(stub *toxics.ToxicStub) {
	passage := stub.State.(Passage)
	input := stub.Input
	var until <-chan struct{} // while something is held
	var held []*stream.StreamChunk
	release := func() {
		for _, piece := range held {
			stub.Output <- piece
		}
		until, held = nil, nil
	}
	for {
		select {
		case <-stub.Interrupt:
			// A fault is added or removed. What was held is not for the next to
			// know, and must not be lost.
			release()
			return
		case <-until:
			release()
			if input == nil {
				stub.Close()
				return
			}
		case piece := <-input:
			if piece == nil && until != nil {
				input = nil // the end is held, too
				continue
			}
			if piece == nil {
				stub.Close()
				return
			}
			v := passage.Pass(piece.Data)
			switch {
			case until != nil:
				held = append(held, piece)
			case v.kind == hold:
				until, held = v.held, append(held, piece)
			case !judge(stub, v, piece):
				return
			}
		}
	}
}

// judge returns false when the pipe has to end.
func judge(stub *toxics.ToxicStub, v Verdict, piece *stream.StreamChunk) bool {
	if v.kind == pass || v.kind == cutAfter {
		stub.Output <- piece
	}
	if v.kind == cutBefore || v.kind == cutAfter {
		stub.Close()
		return false
	}
	return true
}
