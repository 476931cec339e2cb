package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	apache "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	_ "github.com/apache/iceberg-go/catalog/glue" // catalog.type: glue
	_ "github.com/apache/iceberg-go/catalog/rest" // catalog.type: rest
	_ "github.com/apache/iceberg-go/catalog/sql"  // catalog.type: sql
	icebergio "github.com/apache/iceberg-go/io"
	_ "github.com/apache/iceberg-go/io/gocloud/s3" // s3:// in every table's metadata
	_ "modernc.org/sqlite"                         // catalog.type: sql

	"penstock/tiering/store"
	"penstock/transport"
)

// CatalogConfig says which catalog of Iceberg has the table.
type CatalogConfig struct {
	// Type is rest, glue or sql. There is no default: whoever reads the table
	// has to use the same catalog.
	Type string `koanf:"type"`
	// Name is the catalog's name. Only sql keeps it, with the table, and readers
	// have to give the same. The default is "penstock".
	Name string `koanf:"name"`
	// URI is the address of a rest catalog, such as https://catalog:8181, or for
	// sql the SQLite file, such as /var/lib/penstock/catalog.db. Glue has none.
	URI string `koanf:"uri"`
	// Warehouse is what a rest catalog that has several calls the one to use.
	Warehouse string `koanf:"warehouse"`
	// Token is a bearer token for rest, and Credential a client id and secret,
	// id:secret, that the catalog gives a token for. The default is neither.
	Token      transport.Secret `koanf:"token"`
	Credential transport.Secret `koanf:"credential"`
}

// DefaultCatalog returns the defaults.
func DefaultCatalog() CatalogConfig { return CatalogConfig{Name: "penstock"} }

// Validate returns every fault of the configuration.
func (c CatalogConfig) Validate() error {
	switch c.Type {
	case "rest", "sql":
		if c.URI == "" {
			return fmt.Errorf("catalog.uri is empty; a catalog of type %s needs it", c.Type)
		}
	case "glue":
		if c.URI != "" {
			return fmt.Errorf("catalog.uri is %q; Glue is found by s3.region, leave it out", c.URI)
		}
	default:
		return fmt.Errorf("catalog.type is %q; want rest, glue or sql", c.Type)
	}
	if c.Token.Given() && c.Credential.Given() {
		return errors.New("catalog.token and catalog.credential are both set; one is enough")
	}
	return errors.Join(c.Token.Validate("catalog.token"), c.Credential.Validate("catalog.credential"))
}

// Connect opens the catalog, whose tables keep their metadata in the bucket.
// The caller closes it.
func Connect(ctx context.Context, c CatalogConfig, bucket store.S3Config) (Catalog, io.Closer, error) {
	props, err := bucketProperties(bucket)
	if err != nil {
		return nil, nil, err
	}
	set := func(key, value string) {
		if value != "" {
			props[key] = value
		}
	}
	set("type", c.Type)
	set("uri", c.URI)
	set("warehouse", c.Warehouse)
	token, err := c.Token.Reveal()
	if err != nil {
		return nil, nil, fmt.Errorf("catalog.token: %w", err)
	}
	credential, err := c.Credential.Reveal()
	if err != nil {
		return nil, nil, fmt.Errorf("catalog.credential: %w", err)
	}
	set("token", token)
	set("credential", credential)
	switch c.Type {
	case "sql":
		props["sql.driver"], props["sql.dialect"] = "sqlite", "sqlite"
	case "glue":
		props["glue.region"] = bucket.Region
		set("glue.access-key-id", props[icebergio.S3AccessKeyID])
		set("glue.secret-access-key", props[icebergio.S3SecretAccessKey])
	}
	opened, err := catalog.Load(ctx, c.Name, props)
	if err != nil {
		return nil, nil, fmt.Errorf("open the %s catalog %s: %w", c.Type, c.URI, err)
	}
	closer, ok := opened.(io.Closer)
	if !ok {
		closer = io.NopCloser(nil) // Glue's holds nothing
	}
	return opened, closer, nil
}

// Bucket opens the objects of the bucket, for [Dependencies].
func Bucket(c store.S3Config) (root string, files func(context.Context) (icebergio.IO, error)) {
	root = "s3://" + c.Bucket + "/" + c.Prefix + "/"
	return root, func(ctx context.Context) (icebergio.IO, error) {
		props, err := bucketProperties(c)
		if err != nil {
			return nil, err
		}
		return icebergio.LoadFSFunc(props, root)(ctx)
	}
}

// bucketProperties are the settings of the bucket as iceberg-go knows them.
func bucketProperties(c store.S3Config) (apache.Properties, error) {
	props := apache.Properties{icebergio.S3Region: c.Region, icebergio.S3ForceVirtualAddressing: strconv.FormatBool(!c.PathStyle)}
	if c.Endpoint != "" {
		props[icebergio.S3EndpointURL] = c.Endpoint
	}
	access, err := c.AccessKey.Reveal()
	if err != nil {
		return nil, fmt.Errorf("s3.access_key: %w", err)
	}
	secret, err := c.SecretKey.Reveal()
	if err != nil {
		return nil, fmt.Errorf("s3.secret_key: %w", err)
	}
	if access != "" {
		props[icebergio.S3AccessKeyID], props[icebergio.S3SecretAccessKey] = access, secret
	}
	return props, nil
}
