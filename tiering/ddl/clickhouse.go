package ddl

import (
	"fmt"
	"strings"

	"penstock/schema"
)

// collection is the named collection that the view reads by.
const collection = "penstock_cold"

// clickHouse makes for another server what the cold tier is in the analysts'
// view.
func (t Table) clickHouse() (string, error) {
	url, err := t.Bucket.URL("", "/")
	if t.Bucket.Endpoint != "" {
		url, err = t.Bucket.URL(t.Bucket.Endpoint, "/")
	}
	if err != nil {
		return "", err
	}
	var files []string
	for _, f := range t.Files {
		files = append(files, f.Path)
	}
	source := fmt.Sprintf("s3(%s, filename = %s, format = 'Parquet', structure = ", collection, schema.QuoteString(t.Schema.Name+"/"+schema.ColdFiles))
	var b strings.Builder
	b.WriteString("-- The cold tier for ClickHouse. " + t.title()[3:])
	b.WriteString("-- The server has to know the bucket and its credentials:\n")
	fmt.Fprintf(&b, "--   CREATE NAMED COLLECTION %s AS url = %s, access_key_id = '...', secret_access_key = '...';\n", collection, schema.QuoteString(url))
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s AS\n%s;\n", names(t.Name, "`"), t.Schema.ColdRows(source, files))
	return b.String(), nil
}
