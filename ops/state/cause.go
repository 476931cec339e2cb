package state

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kerr"
)

// errTableSetReadOnly is TABLE_IS_PERMANENTLY_READ_ONLY, which the library has no name
// for: the table's setting table_readonly.
const errTableSetReadOnly = proto.Error(774)

// causes are the server's errors that say what to look at.
var causes = map[proto.Error]Cause{
	proto.ErrTableIsReadOnly:          CauseReadOnly,
	errTableSetReadOnly:               CauseReadOnly,
	proto.ErrReadonly:                 CauseReadOnly,
	proto.ErrNotEnoughSpace:           CauseDisk,
	proto.ErrTooManyParts:             CauseParts,
	proto.ErrMemoryLimitExceeded:      CauseMemory,
	proto.ErrAuthenticationFailed:     CauseAccess,
	proto.ErrAccessDenied:             CauseAccess,
	proto.ErrDatabaseAccessDenied:     CauseAccess,
	proto.ErrUnknownUser:              CauseAccess,
	proto.ErrWrongPassword:            CauseAccess,
	proto.ErrQuotaExpired:             CauseAccess,
	proto.ErrSocketTimeout:            CauseAway,
	proto.ErrNetworkError:             CauseAway,
	proto.ErrAllConnectionTriesFailed: CauseAway,
}

// CauseOf returns the kind of a failure.
func CauseOf(err error) Cause {
	var (
		inserting *ch.Exception
		asking    *clickhouse.Exception
		network   net.Error
	)
	code := proto.Error(0)
	switch {
	case errors.As(err, &inserting):
		code = inserting.Code
	case errors.As(err, &asking):
		code = proto.Error(asking.Code)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return CauseOffset
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return CauseAway
	}
	if cause, ok := causes[code]; ok {
		return cause
	}
	// What the filesystem says comes through as the text of some other error.
	if code != 0 && strings.Contains(err.Error(), "No space left on device") {
		return CauseDisk
	}
	return CauseOther
}
