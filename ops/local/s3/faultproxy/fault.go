package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault is what becomes of a request. The zero value passes it on.
type Fault struct {
	what   kind
	status int
	code   string
	by     time.Duration
	bytes  int64
}

type kind int

const (
	_ kind = iota
	refused
	answeredOtherwise
	lost
	reset
	uploadCut
	delayed
	answerDelayed
	truncated
	stalled
	flipped
)

// Refuse answers with an HTTP status and an S3 error code, such as 503 and
// SlowDown; the service never sees the request.
func Refuse(status int, code string) Fault { return Fault{what: refused, status: status, code: code} }

// AnswerOtherwise has the service carry the request out, and then answers with
// an error all the same, as a gateway does that ran out of patience.
func AnswerOtherwise(status int, code string) Fault {
	return Fault{what: answeredOtherwise, status: status, code: code}
}

// LoseAnswer has the service carry the request out and resets the connection
// instead of answering.
func LoseAnswer() Fault { return Fault{what: lost} }

// Reset resets the connection; the service never sees the request.
func Reset() Fault { return Fault{what: reset} }

// CutUpload lets so many bytes of the request's body through and then ends both
// connections.
func CutUpload(bytes int64) Fault { return Fault{what: uploadCut, bytes: bytes} }

// Delay passes the request on after a time.
func Delay(by time.Duration) Fault { return Fault{what: delayed, by: by} }

// DelayAnswer passes the request on at once and the answer after a time.
func DelayAnswer(by time.Duration) Fault { return Fault{what: answerDelayed, by: by} }

// Truncate lets so many bytes of the answer's body through and then ends the
// connection. The length announced is that of the whole.
func Truncate(bytes int64) Fault { return Fault{what: truncated, bytes: bytes} }

// Stall lets so many bytes of the answer's body through and then nothing more,
// until the client gives up.
func Stall(bytes int64) Fault { return Fault{what: stalled, bytes: bytes} }

// Flip changes one bit of the byte at this offset of the answer's body.
func Flip(offset int64) Fault { return Fault{what: flipped, bytes: offset} }

// String says what the fault is.
func (f Fault) String() string {
	switch f.what {
	case refused:
		return fmt.Sprintf("refused with %d %s", f.status, f.code)
	case answeredOtherwise:
		return fmt.Sprintf("carried out and answered with %d %s", f.status, f.code)
	case lost:
		return "carried out and the answer lost"
	case reset:
		return "reset"
	case uploadCut:
		return fmt.Sprintf("upload cut after %d bytes", f.bytes)
	case delayed:
		return fmt.Sprintf("delayed by %v", f.by)
	case answerDelayed:
		return fmt.Sprintf("answer delayed by %v", f.by)
	case truncated:
		return fmt.Sprintf("answer cut after %d bytes", f.bytes)
	case stalled:
		return fmt.Sprintf("answer stalled after %d bytes", f.bytes)
	case flipped:
		return fmt.Sprintf("byte %d of the answer flipped", f.bytes)
	}
	return "passed on"
}

// respond answers with the fault's error, in the words of S3.
func respond(w http.ResponseWriter, r *http.Request, f Fault) {
	body := fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>injected</Message></Error>", f.code)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // the client may be gone
	}
}

// errCut is that a body was ended by the rule.
var errCut = errors.New("cut by the rule")

// copy copies the answer's body as the fault has it.
func (f Fault) copy(w http.ResponseWriter, body io.Reader) error {
	switch f.what {
	case truncated, stalled:
		if _, err := io.CopyN(w, body, f.bytes); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		// What was let through arrives before the connection ends.
		return errors.Join(http.NewResponseController(w).Flush(), errCut)
	case flipped:
		if _, err := io.CopyN(w, body, f.bytes); err != nil {
			return err
		}
		one := make([]byte, 1)
		if _, err := io.ReadFull(body, one); err != nil {
			return err
		}
		one[0] ^= 1
		if _, err := w.Write(one); err != nil {
			return err
		}
	}
	_, err := io.Copy(w, body)
	return err
}
