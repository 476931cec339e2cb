package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Account is an account beside the one that may do everything.
type Account struct {
	AccessKey, SecretKey string
	// Policy is what it may do, as a policy document without principals, such as
	// one attaches to a role. An account without one may do nothing.
	Policy []byte
}

// policy is a policy document, as far as its statements have to be told apart.
type policy struct {
	Version   string
	Statement []map[string]any
}

// Allow creates the accounts and has each of them do with the bucket what its
// policy says. The gateway has no policies of accounts beside its own service for
// them; so they become one of the bucket, which says the same.
func (g *Gateway) Allow(ctx context.Context, accounts ...Account) error {
	all := policy{Version: "2012-10-17"}
	for _, a := range accounts {
		create := exec.CommandContext(ctx, g.cfg.Program, "admin", "--endpoint-url", g.Endpoint(), "--region", Region,
			"--access", AccessKey, "--secret", SecretKey,
			"create-user", "--access", a.AccessKey, "--secret", a.SecretKey, "--role", "user")
		if out, err := create.CombinedOutput(); err != nil {
			return fmt.Errorf("create the S3 account %s: %w: %s", a.AccessKey, err, out)
		}
		if a.Policy == nil {
			continue
		}
		var own policy
		if err := json.Unmarshal(a.Policy, &own); err != nil {
			return fmt.Errorf("policy of the S3 account %s: %w", a.AccessKey, err)
		}
		for _, statement := range own.Statement {
			statement["Principal"] = map[string]any{"AWS": []string{a.AccessKey}}
			statement["Sid"] = fmt.Sprint(a.AccessKey, statement["Sid"])
			all.Statement = append(all.Statement, statement)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("policy of the bucket: %w", err)
	}
	_, err = g.Client().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &g.cfg.Bucket, Policy: aws.String(string(text))})
	if err != nil {
		return fmt.Errorf("put the policy of bucket %s: %w", g.cfg.Bucket, err)
	}
	return nil
}
