package engine

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"unsafe"
)

// Param is a value for a {name:Type} placeholder of a statement.
type Param struct{ Name, Value string }

// Conn is one session. It runs one statement at a time and is not safe for
// concurrent use.
type Conn struct {
	lib  *library
	conn *handle
}

// Close ends the session.
func (c *Conn) Close() {
	if c.conn != nil {
		c.lib.closeConn(c.conn)
		c.conn = nil
	}
}

// Query starts a statement whose result comes in the given format. Close the
// Stream before the next statement. A statement the engine refuses returns an
// *Exception, here or from Next.
func (c *Conn) Query(sql, format string, params ...Param) (*Stream, error) {
	if Streams(format) {
		h := c.call(c.lib.stream, sql, format, params)
		text := c.lib.resultError(h)
		if text == "" {
			return &Stream{conn: c, stream: h}, nil
		}
		c.lib.free(h)
		// Only statements that read rows can be streamed. The engine says so
		// after parsing and before it runs anything; knowing it beforehand
		// would take a parser of our own.
		if e := parseException(text); !strings.HasPrefix(e.Message, notStreamable) {
			return nil, e
		}
	}
	h := c.call(c.lib.run, sql, format, params)
	if text := c.lib.resultError(h); text != "" {
		c.lib.free(h)
		return nil, parseException(text)
	}
	return &Stream{conn: c, whole: h}, nil
}

const notStreamable = "Streaming query is not supported for query"

// Streams reports whether results of a format come piece by piece. The engine
// writes every piece as a document of its own, which only formats without head
// and foot survive; results in another one are held whole.
func Streams(format string) bool { return streamed[strings.ToLower(format)] }

var streamed = map[string]bool{
	"native": true, "null": true, "rowbinary": true,
	"tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true, "raw": true, "tskv": true, "csv": true,
	"jsoneachrow": true, "jsonlines": true, "ndjson": true, "jsonstringseachrow": true,
	"jsoncompacteachrow": true, "jsoncompactstringseachrow": true,
}

// Exec runs a statement to its end and drops what it returns.
func (c *Conn) Exec(sql string) error {
	_, err := c.Fetch(sql, "Null")
	return err
}

// Fetch runs a statement whose result is known to be small and returns all of
// it.
func (c *Conn) Fetch(sql, format string, params ...Param) ([]byte, error) {
	s, err := c.Query(sql, format, params...)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var all []byte
	for {
		b, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
}

// Insert starts an INSERT whose rows follow in the given format; sql is the
// statement up to, and without, VALUES or FORMAT. Rows become visible at
// Commit.
func (c *Conn) Insert(sql, format string, params ...Param) (*Insert, error) {
	h := c.call(c.lib.insert, sql, format, params)
	if text := c.lib.insertError(h); text != "" {
		c.lib.freeInsert(h)
		return nil, parseException(text)
	}
	return &Insert{conn: c, insert: h}, nil
}

// call passes a statement over to C: the pointers inside the parameter arrays
// are pinned, because C follows them.
func (c *Conn) call(f statement, sql, format string, params []Param) handle {
	var pin runtime.Pinner
	defer pin.Unpin()
	// One element more than there are parameters: &s[0] of an empty slice panics.
	names, values := make([]*byte, len(params)+1), make([]*byte, len(params)+1)
	nameLens, valueLens := make([]uint, len(params)+1), make([]uint, len(params)+1)
	for i, p := range params {
		names[i], nameLens[i] = cstring(p.Name), uint(len(p.Name))
		values[i], valueLens[i] = cstring(p.Value), uint(len(p.Value))
		pin.Pin(names[i])
		pin.Pin(values[i])
	}
	for _, p := range []any{&names[0], &values[0], &nameLens[0], &valueLens[0]} {
		pin.Pin(p)
	}
	s, f0 := cstring(sql), cstring(format)
	pin.Pin(s)
	pin.Pin(f0)
	return f(*c.conn, s, uint(len(sql)), f0, uint(len(format)),
		&names[0], &nameLens[0], &values[0], &valueLens[0], uint(len(params)))
}

// Stats counts what a statement read and wrote so far.
type Stats struct {
	ResultRows, ResultBytes   uint64
	ReadRows, ReadBytes       uint64
	WrittenRows, WrittenBytes uint64
}

func (s *Stats) add(lib *library, result handle) {
	s.ResultRows += lib.rowsRead(result)
	s.ResultBytes += lib.bytesRead(result)
	s.ReadRows += lib.storageRows(result)
	s.ReadBytes += lib.storageBytes(result)
	s.WrittenRows += lib.rowsWritten(result)
	s.WrittenBytes += lib.bytesWritten(result)
}

// Stream is a running statement's result.
type Stream struct {
	conn   *Conn
	stream handle // of a statement that is streamed
	whole  handle // the result of one that is not, until Next hands it out
	chunk  handle // what the last Next handed out
	ended  bool
	Stats  Stats
}

// Next returns the next piece of the result, valid until the next call; io.EOF
// at the end. In block formats such as Native a piece is whole blocks.
func (s *Stream) Next() ([]byte, error) {
	s.release()
	if s.ended {
		return nil, io.EOF
	}
	lib := s.conn.lib
	if s.stream == 0 {
		s.chunk, s.whole, s.ended = s.whole, 0, true
	} else {
		s.chunk = lib.fetch(*s.conn.conn, s.stream)
		if text := lib.resultError(s.chunk); text != "" {
			s.ended = true
			return nil, parseException(text)
		}
	}
	s.Stats.add(lib, s.chunk)
	n := lib.length(s.chunk)
	if n == 0 {
		s.ended = true
		return nil, io.EOF
	}
	return unsafe.Slice((*byte)(lib.buffer(s.chunk)), n), nil
}

// Close ends the statement, cancelling it if it has not come to its end.
func (s *Stream) Close() {
	s.release()
	lib := s.conn.lib
	if s.whole != 0 {
		lib.free(s.whole)
		s.whole = 0
	}
	if s.stream == 0 {
		return
	}
	if !s.ended {
		lib.cancelQuery(*s.conn.conn, s.stream)
	}
	lib.free(s.stream)
	s.stream = 0
}

func (s *Stream) release() {
	if s.chunk != 0 {
		s.conn.lib.free(s.chunk)
		s.chunk = 0
	}
}

// Insert is an INSERT that is taking rows. It must end in exactly one of
// Commit or Cancel.
type Insert struct {
	conn   *Conn
	insert handle
}

// Write hands rows over; it blocks while the engine is behind. After an error
// Commit tells the engine's reason.
func (i *Insert) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if i.conn.lib.appendData(i.insert, unsafe.Pointer(&p[0]), uint(len(p))) != 0 {
		return 0, ErrInsertFailed
	}
	return len(p), nil
}

// ErrInsertFailed is returned by Write once the engine has refused rows.
var ErrInsertFailed = errors.New("the engine stopped taking rows")

// Commit stores the rows and returns what was written.
func (i *Insert) Commit() (Stats, error) {
	lib := i.conn.lib
	defer lib.freeInsert(i.insert)
	r := lib.done(i.insert)
	defer lib.free(r)
	if text := lib.resultError(r); text != "" {
		return Stats{}, parseException(text)
	}
	var s Stats
	s.add(lib, r)
	return s, nil
}

// Cancel drops the rows that were not stored yet.
func (i *Insert) Cancel() {
	i.conn.lib.cancelInsert(i.insert)
	i.conn.lib.freeInsert(i.insert)
}
