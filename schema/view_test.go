package schema_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"penstock/schema"
)

// Whoever knows nothing but the view's comment makes the same view again, and
// for a schema with one field more the view that the compactor would make of it.
func TestRenewView(t *testing.T) {
	old := schema.Telemetry()
	newer := *old
	newer.Version++
	newer.Fields = append(newer.Fields[:len(newer.Fields):len(newer.Fields)],
		schema.Column{ID: 27, Name: "noise_db", Type: schema.Float64, Nullable: true, Since: newer.Version})
	tables := schema.Tables{Database: "fleet", Cluster: "main"}
	rapid.Check(t, func(t *rapid.T) {
		cold := schema.Cold{
			CutOver: rapid.SliceOf(rapid.Map(rapid.IntRange(0, 40_000), func(n int) schema.Day { return schema.Day(n) })).Draw(t, "cut over"),
			Source:  rapid.SampledFrom([]string{"", "s3(cold, filename = 'a\\'<b>.parquet', structure = "}).Draw(t, "source"),
		}
		if cold.Source != "" {
			cold.Files = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "files")
		}
		if rapid.Bool().Draw(t, "moving") {
			cold.Moving = &schema.Row{Day: 20_000, Topic: rapid.String().Draw(t, "topic"), Origin: schema.Origin{Partition: 3, Offset: 1 << 60, Index: 56}}
		}
		comment := schema.ViewComment{SchemaVersion: old.Version, Cold: cold}.String()
		for _, s := range []*schema.Schema{old, &newer} {
			got, err := s.RenewView(tables, comment)
			if err != nil {
				t.Fatal(err)
			}
			if want := s.AllView(tables, cold); got != want {
				t.Fatalf("of the comment %s came\n%s\nwant\n%s", comment, got, want)
			}
		}
	})
}

// Credentials are in the view's definition, where ClickHouse hides them, and
// nowhere else; such a view is not renewed without them.
func TestRenewViewKeepsSecrets(t *testing.T) {
	s := schema.Telemetry()
	cold := schema.Cold{Source: "s3('http://s3/cold/a.parquet', 'key', 'top secret', 'Parquet', ", Secret: true}
	if n := strings.Count(s.AllView(schema.Tables{}, cold), "top secret"); n != 1 {
		t.Errorf("the view says the secret %d times, want once: not in its comment", n)
	}
	comment := schema.ViewComment{SchemaVersion: 1, Cold: cold}.String()
	if _, err := s.RenewView(schema.Tables{}, comment); !errors.Is(err, schema.ErrSecret) {
		t.Errorf("renewed with the error %v, want ErrSecret", err)
	}
}

// A comment that does not say what the view reads never makes a view that reads
// less.
func TestRenewViewRefuses(t *testing.T) {
	for _, comment := range []string{"", "a view", `{"schema_version":1,"cold":{"hotter":[]}}`, `{"schema_version":1,"cold":{"cut_over":["monday"]}}`} {
		if _, err := schema.Telemetry().RenewView(schema.Tables{}, comment); err == nil || !strings.Contains(err.Error(), "compactor run --once") {
			t.Errorf("comment %q: got %v, want an error with the remedy", comment, err)
		}
	}
}
