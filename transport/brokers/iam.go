package brokers

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/twmb/franz-go/pkg/sasl"
	mskiam "github.com/twmb/franz-go/pkg/sasl/aws"
)

// iam returns MSK's mechanism with the credentials that AWS's SDK finds, which it
// renews by itself. The region is that in the broker's name, or of AWS_REGION.
func iam() sasl.Mechanism {
	var (
		mu    sync.Mutex
		chain aws.CredentialsProvider
	)
	return mskiam.ManagedStreamingIAM(func(ctx context.Context) (mskiam.Auth, error) {
		mu.Lock()
		defer mu.Unlock()
		if chain == nil {
			cfg, err := awsconfig.LoadDefaultConfig(ctx)
			if err != nil {
				return mskiam.Auth{}, fmt.Errorf("AWS's settings: %w", err)
			}
			chain = cfg.Credentials
		}
		c, err := chain.Retrieve(ctx)
		if err != nil {
			return mskiam.Auth{}, fmt.Errorf("AWS's credentials: %w; give them by the environment, the shared files, or a role of the pod or the instance", err)
		}
		return mskiam.Auth{AccessKey: c.AccessKeyID, SecretKey: c.SecretAccessKey, SessionToken: c.SessionToken, UserAgent: "penstock"}, nil
	})
}
