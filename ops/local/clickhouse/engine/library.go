package engine

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// handle is a pointer into libchdb. It is never followed from Go.
type handle uintptr

// library is libchdb's C interface, one field a function. The C names are in
// the tags of bind; chdb.h of the same release documents each of them.
type library struct {
	connect      func(argc int32, argv **byte) *handle
	closeConn    func(conn *handle)
	shutdown     func() int32
	setSignals   func(enabled int32)
	run          statement
	stream       statement
	insert       statement
	fetch        func(conn, stream handle) handle
	cancelQuery  func(conn, stream handle)
	insertError  func(insert handle) string
	appendData   func(insert handle, data unsafe.Pointer, size uint) int32
	done         func(insert handle) handle
	cancelInsert func(insert handle)
	freeInsert   func(insert handle)
	buffer       func(result handle) unsafe.Pointer
	length       func(result handle) uint
	resultError  func(result handle) string
	rowsRead     func(result handle) uint64
	bytesRead    func(result handle) uint64
	storageRows  func(result handle) uint64
	storageBytes func(result handle) uint64
	rowsWritten  func(result handle) uint64
	bytesWritten func(result handle) uint64
	free         func(result handle)
}

// statement is the form of the three functions that start one: text, output or
// input format, and the values of its {name:Type} placeholders.
type statement func(conn handle, sql *byte, sqlLen uint, format *byte, formatLen uint,
	names **byte, nameLens *uint, values **byte, valueLens *uint, params uint) handle

// load opens the shared library once a process: the engine inside keeps its
// state in globals, so a second copy would fight the first over them.
var load = sync.OnceValues(func() (*library, error) { return bind(libraryPath) })

// libraryPath is set by Open before load first runs.
var libraryPath string

func bind(path string) (lib *library, err error) {
	so, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine %s: %w; fetch it again if the file is damaged", path, err)
	}
	// RegisterLibFunc panics on a missing symbol: another release of libchdb.
	defer func() {
		if r := recover(); r != nil {
			lib, err = nil, fmt.Errorf("load the engine %s: %v; it is not the release this binding is for", path, r)
		}
	}()
	lib = new(library)
	for name, fn := range map[string]any{
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_shutdown":                    &lib.shutdown,
		"chdb_set_signal_handlers_enabled": &lib.setSignals,
		"chdb_query_with_params_n":         &lib.run,
		"chdb_stream_query_with_params_n":  &lib.stream,
		"chdb_stream_insert_with_params_n": &lib.insert,
		"chdb_stream_fetch_result":         &lib.fetch,
		"chdb_stream_cancel_query":         &lib.cancelQuery,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_stream_append":               &lib.appendData,
		"chdb_stream_done":                 &lib.done,
		"chdb_stream_cancel_insert":        &lib.cancelInsert,
		"chdb_destroy_insert_stream":       &lib.freeInsert,
		"chdb_result_buffer":               &lib.buffer,
		"chdb_result_length":               &lib.length,
		"chdb_result_error":                &lib.resultError,
		"chdb_result_rows_read":            &lib.rowsRead,
		"chdb_result_bytes_read":           &lib.bytesRead,
		"chdb_result_storage_rows_read":    &lib.storageRows,
		"chdb_result_storage_bytes_read":   &lib.storageBytes,
		"chdb_result_rows_written":         &lib.rowsWritten,
		"chdb_result_bytes_written":        &lib.bytesWritten,
		"chdb_destroy_query_result":        &lib.free,
	} {
		purego.RegisterLibFunc(fn, so, name)
	}
	return lib, nil
}
