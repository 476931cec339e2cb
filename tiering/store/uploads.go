package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Upload is an upload in parts that is neither completed nor aborted. Its parts
// are stored, and paid for, but are no object.
type Upload struct {
	Key string
	ID  string
	// Begun is when, by the store's clock. One that began a moment ago may be
	// going on.
	Begun time.Time
}

// Uploads implements [Sweeper].
func (s *S3) Uploads(ctx context.Context, prefix string) ([]Upload, error) {
	var all []Upload
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.config.Bucket, Prefix: s.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.fail("list the uploads below", prefix, err)
		}
		for _, u := range page.Uploads {
			all = append(all, Upload{Key: strings.TrimPrefix(aws.ToString(u.Key), s.prefix), ID: aws.ToString(u.UploadId), Begun: aws.ToTime(u.Initiated)})
		}
	}
	return all, nil
}

// Abort implements [Sweeper].
func (s *S3) Abort(ctx context.Context, u Upload) error {
	return s.fail("abort the upload of", u.Key, s.abort(ctx, u.Key, &u.ID))
}
