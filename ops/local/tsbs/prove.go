package tsbs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"penstock/schema"
)

// Result is what was sent and what is proven of it.
type Result struct {
	Kafka   string            `json:"kafka"`
	Streams map[string]Stream `json:"streams"`
}

// Stream is the outcome of one measurement. All is well if Stored is Sent,
// Duplicates is Resent, and the rest is 0.
type Stream struct {
	Sent   int `json:"sent"`   // events, each counted once
	Resent int `json:"resent"` // of them sent a second time
	Values int `json:"values"` // compared

	// What the audit says of the records.
	Verdict    string `json:"verdict"`
	Stored     int    `json:"stored"`
	Duplicates int    `json:"duplicates"`
	Rejects    int    `json:"rejects"`

	// What a comparison of all rows with all events says.
	Missing int `json:"missing"`
	Doubled int `json:"doubled"`
	Altered int `json:"altered"` // events of which a value is not what was sent
	// Example is one of those that are wrong.
	Example string `json:"example,omitempty"`
}

// String sums the result up for a person.
func (r Result) String() string {
	var all []string
	for _, name := range streams {
		s := r.Streams[name]
		all = append(all, fmt.Sprintf("%s: of %d events %d are stored, %d of %d resends were recognised, %d are missing, %d doubled, %d altered in %d values; audit: %s",
			name, s.Sent, s.Stored, s.Duplicates, s.Resent, s.Missing, s.Doubled, s.Altered, s.Values, s.Verdict))
	}
	return strings.Join(all, "; ")
}

// fault says what is wrong, nil if nothing.
func (r Result) fault() error {
	var errs []error
	for _, name := range streams {
		s := r.Streams[name]
		if s.Sent == 0 || s.Stored != s.Sent || s.Duplicates != s.Resent || s.Rejects+s.Missing+s.Doubled+s.Altered != 0 || s.Verdict != "proven" {
			errs = append(errs, fmt.Errorf("stream %s: %+v", name, s))
		}
	}
	return errors.Join(errs...)
}

// identity of an event in its stream.
type identity struct {
	device string
	seq    uint64
}

func (r *rig) prove(ctx context.Context, sent Simulation, since time.Time) (_ Result, failed error) {
	a := r.stack.Addresses()
	result := Result{Kafka: a.Kafka.Name, Streams: map[string]Stream{}}
	schemas, err := schemas()
	if err != nil {
		return result, err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{a.ClickHouse.Native},
		Auth: clickhouse.Auth{Database: database, Username: a.ClickHouse.User, Password: a.ClickHouse.Password},
	})
	if err != nil {
		return result, err
	}
	defer func() { failed = errors.Join(failed, conn.Close()) }()
	// What an audit finds wrong is in its report; that there is none is told by
	// the reports.
	reports, failed := r.audit(ctx, since)
	for _, name := range streams {
		s, want := Stream{}, map[identity]Event{}
		for _, e := range sent.Events {
			if e.Stream == name {
				want[identity{e.Device, e.Seq}] = e
				s.Sent++
			}
		}
		for _, i := range sent.Sends {
			if sent.Events[i].Stream == name {
				s.Resent++
			}
		}
		s.Resent -= s.Sent
		total := reports[name].Total
		s.Verdict, s.Stored, s.Duplicates, s.Rejects = reports[name].Verdict, total.Stored, total.Duplicates, total.Rejects
		if err := compare(ctx, conn, schemas[name], want, &s); err != nil {
			return result, errors.Join(failed, err)
		}
		result.Streams[name] = s
	}
	return result, failed
}

// compare reads every row of a stream and takes its event from those wanted.
func compare(ctx context.Context, conn driver.Conn, of *schema.Schema, want map[identity]Event, s *Stream) (err error) {
	var columns []string
	for _, f := range of.Fields {
		columns = append(columns, schema.QuoteIdent(f.Name))
	}
	rows, err := conn.Query(ctx, fmt.Sprintf("SELECT %s FROM %s", strings.Join(columns, ", "), of.All(schema.Tables{Database: database})))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	types := rows.ColumnTypes()
	for rows.Next() {
		cells := make([]any, len(types))
		for i, t := range types {
			cells[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(cells...); err != nil {
			return err
		}
		row := map[string]any{}
		for i, f := range of.Fields {
			if v := reflect.ValueOf(cells[i]).Elem(); v.Kind() != reflect.Pointer {
				row[f.Name] = v.Interface()
			} else if !v.IsNil() {
				row[f.Name] = v.Elem().Interface()
			}
		}
		s.judge(row, want)
	}
	s.Missing = len(want)
	for id, e := range want {
		s.example("%s %d is missing: %v", id.device, id.seq, e.Values)
		break
	}
	return rows.Err()
}

// judge takes the row's event from those that are wanted and compares it.
func (s *Stream) judge(row map[string]any, want map[identity]Event) {
	id := identity{row["device_id"].(string), row["seq"].(uint64)}
	e, ok := want[id]
	if !ok {
		s.Doubled++
		s.example("%s %d is stored twice or was never sent: %v", id.device, id.seq, row)
		return
	}
	delete(want, id)
	at, _ := row["ts"].(time.Time)
	same := at.Equal(e.Time) && len(row) == len(e.Values)+3 // device_id, seq and ts
	for name, value := range e.Values {
		s.Values++
		got := row[name]
		if n, ok := got.(int8); ok {
			got = int64(n) // as TSBS has it
		}
		same = same && got == value
	}
	if !same {
		s.Altered++
		s.example("%s %d is %v, was sent as %v of %v", id.device, id.seq, row, e.Values, e.Time)
	}
}

func (s *Stream) example(format string, args ...any) {
	if s.Example == "" {
		s.Example = fmt.Sprintf(format, args...)
	}
}
