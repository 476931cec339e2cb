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
	Token      string `koanf:"token"`
	Credential string `koanf:"credential"`
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
	if c.Token != "" && c.Credential != "" {
		return errors.New("catalog.token and catalog.credential are both set; one is enough")
	}
	return nil
}

// Connect opens the catalog, whose tables keep their metadata in the bucket.
// The caller closes it.
func Connect(ctx context.Context, c CatalogConfig, bucket store.S3Config) (Catalog, io.Closer, error) {
	props := bucketProperties(bucket)
	set := func(key, value string) {
		if value != "" {
			props[key] = value
		}
	}
	set("type", c.Type)
	set("uri", c.URI)
	set("warehouse", c.Warehouse)
	set("token", c.Token)
	set("credential", c.Credential)
	switch c.Type {
	case "sql":
		props["sql.driver"], props["sql.dialect"] = "sqlite", "sqlite"
	case "glue":
		props["glue.region"] = bucket.Region
		set("glue.access-key-id", bucket.AccessKey)
		set("glue.secret-access-key", bucket.SecretKey)
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
	return root, icebergio.LoadFSFunc(bucketProperties(c), root)
}

// bucketProperties are the settings of the bucket as iceberg-go knows them.
func bucketProperties(c store.S3Config) apache.Properties {
	props := apache.Properties{icebergio.S3Region: c.Region, icebergio.S3ForceVirtualAddressing: strconv.FormatBool(!c.PathStyle)}
	if c.Endpoint != "" {
		props[icebergio.S3EndpointURL] = c.Endpoint
	}
	if c.AccessKey != "" {
		props[icebergio.S3AccessKeyID], props[icebergio.S3SecretAccessKey] = c.AccessKey, c.SecretKey
	}
	return props
}
