package warehouse

import (
	"fmt"
	"path"
	"strings"

	"penstock/schema"
	"penstock/tiering/store"
	"penstock/transport"
)

// source writes the SQL by which ClickHouse reads Parquet files of the cold
// tier.
type source struct {
	config Config
	bucket store.S3Config
}

// files returns the table expression of exactly these objects, as far as
// [schema.Schema.Files] has it; empty for none. One that is missing is an error
// of the query.
func (s source) files(keys []string) (string, error) {
	switch len(keys) {
	case 0:
		return "", nil
	case 1:
		return s.objects(keys[0])
	}
	return s.objects("{" + strings.Join(keys, ",") + "}")
}

// folder returns the table expression of every file in a table's folder, also
// of those that no manifest lists: whoever reads it says which of them count.
func (s source) folder(table string) (string, error) {
	return s.objects(table + "/" + schema.ColdFiles)
}

// objects returns the table expression of the objects of this name or pattern.
func (s source) objects(name string) (string, error) {
	quote := schema.QuoteString
	name = path.Join(s.bucket.Prefix, name)
	if s.config.NamedCollection != "" {
		return fmt.Sprintf("s3(%s, filename = %s, format = 'Parquet', structure = ",
			s.config.NamedCollection, quote(name)), nil
	}
	base, err := s.base()
	if err != nil {
		return "", err
	}
	credentials := ""
	if s.secret() {
		access, secret, err := s.credentials()
		if err != nil {
			return "", err
		}
		credentials = quote(access) + ", " + quote(secret) + ", "
	}
	return fmt.Sprintf("s3(%s, %s'Parquet', ", quote(base+name), credentials), nil
}

// secret reports whether the credentials stand in the table expression.
func (s source) secret() bool {
	return s.config.NamedCollection == "" && (s.config.S3AccessKey.Given() || s.bucket.AccessKey.Given())
}

// credentials returns those by which ClickHouse reads; empty for its own.
func (s source) credentials() (access, secret string, err error) {
	of := [2]transport.Secret{s.bucket.AccessKey, s.bucket.SecretKey}
	if s.config.S3AccessKey.Given() {
		of = [2]transport.Secret{s.config.S3AccessKey, s.config.S3SecretKey}
	}
	if access, err = of[0].Reveal(); err != nil {
		return "", "", fmt.Errorf("credentials of S3: %w", err)
	}
	if secret, err = of[1].Reveal(); err != nil {
		return "", "", fmt.Errorf("credentials of S3: %w", err)
	}
	return access, secret, nil
}

// collection returns the statements that make the named collection what the
// configuration says, whatever it was.
func (s source) collection() ([]string, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	quote := schema.QuoteString
	content := "url = " + quote(base)
	access, secret, err := s.credentials()
	if err != nil {
		return nil, err
	}
	if access != "" {
		content += ", access_key_id = " + quote(access) + ", secret_access_key = " + quote(secret)
	} else {
		content += ", use_environment_credentials = 1"
	}
	on := ""
	if s.config.Cluster != "" {
		on = " ON CLUSTER " + schema.QuoteIdent(s.config.Cluster)
	}
	return []string{
		fmt.Sprintf("CREATE NAMED COLLECTION IF NOT EXISTS %s%s AS %s", s.config.NamedCollection, on, content),
		fmt.Sprintf("ALTER NAMED COLLECTION %s%s SET %s", s.config.NamedCollection, on, content),
	}, nil
}

// base is the URL of the bucket; it ends in a slash. The prefix is not in it: one
// collection serves all tables of a server, whatever folders they have.
func (s source) base() (string, error) {
	endpoint := s.config.S3Endpoint
	if endpoint == "" {
		endpoint = s.bucket.Endpoint
	}
	bucket := s.bucket
	bucket.Prefix = ""
	return bucket.URL(endpoint, "/")
}
