package pipeline

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"
)

// maxReferences is how many schemas one may refer to, with those that they refer
// to. It is beyond any that people wrote.
const maxReferences = 64

// errSchemaTooLarge is a schema that is more than the node reads of one.
var errSchemaTooLarge = errors.New("the schema is too large")

// unusable is what makes every record of a schema a reject, as long as nobody
// changes the config.
func unusable(err error) bool { return errors.Is(err, errSchemaTooLarge) }

// unknown says of a registry's answer that it has no such schema: not that it is
// away, nor that something else answers at its address.
func unknown(err error) bool {
	var response *sr.ResponseError
	return errors.As(err, &response) && sr.IsNotFoundError(response.ErrorCode)
}

// bounded has no answer be larger than a bound: the Kafka client's own registry
// client reads all there is of one.
type bounded struct {
	http.RoundTripper
	most int64 // bytes
}

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: b.most, most: b.most}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left, most int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: the registry's answer has more than kafka.registry.max_bytes, %d", errSchemaTooLarge, b.most)
	}
	return n, err
}
