package schema

// nulls says which rows of a nullable column are NULL: a byte a row, 1 is NULL,
// as ClickHouse has it. Rows behind its end are not NULL: most columns of most
// events have a value, which so need not be said row by row.
type nulls []byte

// set makes the row NULL, which is behind all that were.
func (n *nulls) set(row int) {
	n.pad(row)
	*n = append(*n, 1)
}

// pad says it of every one of the rows, as it has to be sent.
func (n *nulls) pad(rows int) {
	if behind := rows - len(*n); behind > 0 {
		*n = append(*n, make([]byte, behind)...)
	}
}

// appendRows says of the rows after the first so many what src does of [lo, hi).
func (n *nulls) appendRows(rows int, src nulls, lo, hi int) {
	if hi = min(hi, len(src)); lo < hi {
		n.pad(rows)
		*n = append(*n, src[lo:hi]...)
	}
}

// cut forgets all rows but the first so many.
func (n *nulls) cut(rows int) { *n = (*n)[:min(rows, len(*n))] }
