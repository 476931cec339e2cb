package native

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"penstock/ops/local/clickhouse/block"
	"penstock/ops/local/clickhouse/session"
	"penstock/ops/local/clickhouse/statement"
)

// target is the columns an INSERT fills, in its order.
func (c *conn) target(in statement.Insert, st session.Statement) ([]block.Column, error) {
	if in.Columns != nil && !in.Exact {
		return c.describe("(SELECT "+strings.Join(in.Columns, ", ")+" FROM "+in.Table+")", st.Params)
	}
	all, err := c.described(in, st.Params)
	if err != nil {
		return nil, err
	}
	types := make(map[string]string, len(all))
	var columns []block.Column
	for _, d := range all {
		types[d.Name] = d.Type
		if in.Columns == nil && (d.kind == "" || d.kind == "DEFAULT") {
			columns = append(columns, d.Column)
		}
	}
	for _, name := range in.Columns {
		// A column that is not there is left to the engine to refuse.
		columns = append(columns, block.Column{Name: name, Type: types[name]})
	}
	return columns, nil
}

// descriptions are the columns of the tables a client inserts into, kept until
// anything may have changed them. To ask for them anew would be a statement
// more with every INSERT.
type descriptions struct {
	asOf   uint64 // session.Server.Changes
	tables map[string][]described
}

// described is [conn.describeAll] of an INSERT's table.
func (c *conn) described(in statement.Insert, params map[string]string) ([]described, error) {
	if strings.Contains(in.Table, "(") || len(params) > 0 { // of a function's, or a name to be filled in
		return c.describeAll(in.Table, params)
	}
	if now := c.sessions.Changes(); c.known.tables == nil || now != c.known.asOf {
		c.known = descriptions{asOf: now, tables: map[string][]described{}}
	}
	if all, ok := c.known.tables[in.Table]; ok {
		return all, nil
	}
	all, err := c.describeAll(in.Table, params)
	if err == nil {
		c.known.tables[in.Table] = all
	}
	return all, err
}

// describeEmpty sends the columns of a result without rows: the engine writes
// nothing at all then. What has no columns (DDL) cannot be described.
func (c *conn) describeEmpty(st session.Statement) error {
	columns, err := c.describe("("+st.SQL+"\n)", st.Params)
	if err != nil {
		return nil //nolint:nilerr // only a SELECT can be described, and this one has succeeded already
	}
	return c.sendHeader(columns, st.Settings)
}

// describe asks the engine for the columns of a table or (query).
func (c *conn) describe(of string, params map[string]string) ([]block.Column, error) {
	all, err := c.describeAll(of, params)
	if err != nil {
		return nil, err
	}
	columns := make([]block.Column, len(all))
	for i, d := range all {
		columns[i] = d.Column
	}
	return columns, nil
}

type described struct {
	block.Column
	kind string // DEFAULT, MATERIALIZED, ALIAS, EPHEMERAL or empty
}

func (c *conn) describeAll(of string, params map[string]string) ([]described, error) {
	text, err := c.session.Fetch("DESCRIBE TABLE "+of+" SETTINGS print_pretty_type_names = 0", "JSONCompactStringsEachRow", params)
	if err != nil {
		return nil, err
	}
	var columns []described
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var f []string
		if err := d.Decode(&f); err != nil {
			return nil, fmt.Errorf("read the description of %s: %w", of, err)
		}
		columns = append(columns, described{block.Column{Name: f[0], Type: f[1]}, f[2]})
	}
	return columns, nil
}
