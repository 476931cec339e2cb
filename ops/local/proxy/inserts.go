package proxy

import (
	"sync"
	"sync/atomic"
)

// First bytes of packets of ClickHouse's native protocol.
const (
	clientData = 2

	serverHello        = 0
	serverData         = 1
	serverPong         = 4
	serverTableColumns = 11
)

// blankBlock is more than a block without rows takes. One follows every query, to
// say that it brings no tables of its own; held, it would hold the query, too,
// and no rows would be sent at all.
const blankBlock = 64

// Inserts watches the way to ClickHouse: it knows when rows pass, and can keep
// them on the way.
type Inserts struct {
	bytes atomic.Int64

	mu sync.Mutex
	// What follows is guarded by mu.

	until chan struct{} // closed when what is held may go on; nil: nothing is to be held
	held  int64         // bytes
}

// Watch is the watch to give to [Listen].
func (i *Inserts) Watch() Watch { return Watch{Upstream, i} }

// Connection implements Watcher.
func (i *Inserts) Connection() Passage { return &insertPassage{all: i} }

type insertPassage struct {
	all *Inserts
	// until is what this connection's bytes are held for.
	until chan struct{}
}

// Pass implements Passage.
func (c *insertPassage) Pass(piece []byte) Verdict {
	i := c.all
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.until != nil && (c.until == i.until || piece[0] == clientData && len(piece) > blankBlock) {
		c.until = i.until
		i.held += int64(len(piece))
		return Hold(i.until)
	}
	i.bytes.Add(int64(len(piece)))
	return Pass
}

// Bytes is how many have passed.
func (i *Inserts) Bytes() int64 { return i.bytes.Load() }

// Hold begins to keep rows: from the next insert on they are on the way and do
// not arrive.
func (i *Inserts) Hold() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.until == nil {
		i.until, i.held = make(chan struct{}), 0
	}
}

// Held is how many bytes are on the way.
func (i *Inserts) Held() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.held
}

// Release lets what is on the way arrive.
func (i *Inserts) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.until != nil {
		close(i.until)
		i.until = nil
	}
}

// Answers watches the way back from ClickHouse: it can lose what the server
// says of an insert once it has the rows, and only that. Were everything lost,
// no rows would be sent in the first place: a client waits for the columns
// before it sends any.
type Answers struct {
	losing atomic.Bool
	lost   atomic.Int64
}

// Watch is the watch to give to [Listen].
func (a *Answers) Watch() Watch { return Watch{Downstream, a} }

// Connection implements Watcher.
func (a *Answers) Connection() Passage { return &answerPassage{all: a} }

// Lose begins or ends to lose answers. A connection of which one was lost stays
// silent.
func (a *Answers) Lose(on bool) { a.losing.Store(on) }

// Lost is how many connections have lost an answer so far.
func (a *Answers) Lost() int64 { return a.lost.Load() }

type answerPassage struct {
	all    *Answers
	silent bool
}

// Pass implements Passage.
func (c *answerPassage) Pass(piece []byte) Verdict {
	if c.silent {
		return Lose
	}
	switch piece[0] {
	case serverHello, serverData, serverPong, serverTableColumns:
		return Pass
	}
	if !c.all.losing.Load() {
		return Pass
	}
	c.silent = true
	c.all.lost.Add(1)
	return Lose
}
