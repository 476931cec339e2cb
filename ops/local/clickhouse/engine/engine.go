// Package engine runs statements in libchdb, the ClickHouse engine as a
// shared library, called without cgo.
//
// An Engine owns a data folder; a Conn is one ClickHouse session in it
// (settings, current database, temporary tables) and runs one statement at a
// time, several of them side by side. A statement is a Stream that hands out
// its result in blocks, or an Insert that takes its rows in chunks. The
// package knows nothing of sockets or protocols.
package engine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// Config is where the library and the data are, and how much the engine may
// take of the machine.
type Config struct {
	Lib    string // path of libchdb.so
	Path   string // data folder, created if missing
	Memory int64  // bytes statements and merges may hold; zero leaves it to the engine, 0.9 of the machine
	// Grants are the GRANT statements, without TO, that say what the engine's one
	// user may do; nil: everything, as is its own default.
	Grants []string
}

// Engine is the running engine. Close it, or the data folder stays locked.
type Engine struct {
	lib  *library
	args []string
	root *Conn // keeps the engine up while no session is open
}

// Open starts the engine on cfg.Path.
//
// A process can open an engine once: libchdb refuses to start again after it
// was shut down.
func Open(cfg Config) (*Engine, error) {
	if err := os.MkdirAll(cfg.Path, 0o750); err != nil {
		return nil, fmt.Errorf("create the data folder: %w", err)
	}
	libraryPath = cfg.Lib
	lib, err := load()
	if err != nil {
		return nil, err
	}
	// Signals belong to the process, not to a library in it.
	lib.setSignals(0)
	e := &Engine{lib: lib, args: arguments(cfg)}
	if cfg.Grants != nil {
		file, err := restrict(cfg.Path, cfg.Grants)
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, "--config-file="+file)
	}
	if e.root, err = e.Connect(); err != nil {
		return nil, fmt.Errorf("open the data folder %s: %w; is another process using it?", cfg.Path, err)
	}
	return e, nil
}

func arguments(cfg Config) []string {
	return []string{
		"clickhouse",
		"--path=" + cfg.Path,
		"--max_server_memory_usage=" + strconv.FormatInt(cfg.Memory, 10),
	}
}

// Close shuts the engine down. Every Conn must be closed before.
func (e *Engine) Close() {
	e.root.Close()
	// Its status says whether every thread could be joined. After an insert
	// into a MergeTree one never can, in this release; what is stored is on
	// disk by then, and the engine is closed either way.
	e.lib.shutdown()
}

// Connect opens a session.
func (e *Engine) Connect() (*Conn, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, len(e.args)+1)
	for i, a := range e.args {
		argv[i] = cstring(a)
		pin.Pin(argv[i])
	}
	pin.Pin(&argv[0])
	p := e.lib.connect(int32(len(e.args)), &argv[0])
	if p == nil {
		return nil, errors.New("the engine refused a session")
	}
	return &Conn{lib: e.lib, conn: p}, nil
}

func cstring(s string) *byte { b := append([]byte(s), 0); return &b[0] }
