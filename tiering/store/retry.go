package store

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// newRetryer repeats a request whose fate is unknown, or was "not now".
func newRetryer(attempts int, maxBackoff time.Duration) *retry.Standard {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
		// An answer that broke off in its body, such as half a listing.
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
		// The SDK's own budget spares a service whose thousand clients all
		// repeat; a compactor is one, and in the middle of a bad hour would
		// fail at the first fault because of the hundred before.
		o.RateLimiter = ratelimit.None
	})
}

// conflicting is for a write of one request under a condition. The service
// refuses it with 409 while another write of the object is on its way, and
// wants it repeated; then one of the two meets the other's object.
func (s *S3) conflicting(o *s3.Options) {
	o.Retryer = retry.AddWithErrorCodes(s.retryer, conditionalConflict, "OperationAborted")
}

// conditionalConflict is the code of such a 409.
const conditionalConflict = "ConditionalRequestConflict"

// pause waits before an attempt after this many that failed with err.
func (s *S3) pause(ctx context.Context, failed int, err error) error {
	delay, refused := s.retryer.RetryDelay(failed, err)
	if refused != nil {
		return refused
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
