package stacktest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/store"
	"penstock/tiering/warehouse"
)

// A query that names days opens the files of those days and no others, and finds
// by them what it finds without; of the tables it reads the days' partitions.
func testViewPrunes(t *testing.T, e coldTier) {
	w := tap(t, e.bucket.Endpoint)
	s := openColdTier(t, e, func(c *tiering.Config, h *warehouse.Config) {
		c.FileBytes, c.RowGroupRows = 1, 600
		h.S3Endpoint = w.endpoint
	})
	today := schema.DayOf(time.Now().UnixMilli())
	const days, events = 6, 1_000
	for i := range days {
		s.insert(t, today-45+schema.Day(i), i*1_000_000, events)
	}
	s.insert(t, today-2, days*1_000_000, events)
	if _, err := s.compactor(tiering.Events{}).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}

	// What no manifest lists does not exist, wherever it lies.
	listed, err := s.objects.List(t.Context(), s.schema.Name+"/day=")
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := store.ReadAll(t.Context(), s.objects, listed[0])
	if err != nil {
		t.Fatal(err)
	}
	orphan := path.Join(path.Dir(listed[0]), "part-00009-0123456789abcdef.parquet")
	if err := store.CreateBytes(t.Context(), s.objects, orphan, body); err != nil {
		t.Fatal(err)
	}
	if n := s.count(t, "SELECT count() FROM "+s.schema.All(s.tables)+" WHERE "+schema.ColDay+" < today() - 30"); n != days*events {
		t.Errorf("with an object that no manifest lists the view shows %d rows of the cold days, want %d", n, days*events)
	}

	f := func(where string, cold ...schema.Day) {
		t.Helper()
		count := func(where string) (n uint64) {
			return s.count(t, "SELECT count() FROM "+s.schema.All(s.tables)+" WHERE "+where)
		}
		var got uint64
		seen := w.during(func() { got = count(where + " AND device_id = 'device-7' SETTINGS force_index_by_date = 1") })
		if want := count(strings.ReplaceAll(where, schema.ColDay, "toDate(ts)") + " AND device_id = 'device-7'"); got != want || want == 0 {
			t.Errorf("%s: %d rows, and %d by the time of the event", where, got, want)
		}
		var opened []string
		for _, object := range seen.objects() {
			opened = append(opened, path.Base(path.Dir(path.Dir(object))))
		}
		var want []string
		for _, day := range cold {
			want = append(want, "day="+day.String(), "day="+day.String()) // two files each
		}
		if !slices.Equal(opened, want) {
			t.Errorf("%s: opened files of %v, want of %v", where, opened, want)
		}
	}
	day := func(n schema.Day) string { return "toDate('" + (today + n).String() + "')" }
	f("_day = "+day(-43), today-43)
	f("_day BETWEEN "+day(-44)+" AND "+day(-42), today-44, today-43, today-42)
	f("_day IN ("+day(-45)+", "+day(-41)+")", today-45, today-41)
	f("_day = "+day(-43)+" AND ts >= "+fmt.Sprintf("fromUnixTimestamp64Milli(%d)", (today-43).Start().UnixMilli()), today-43)
	f("_day >= "+day(-40), today-40)
	f("_day = " + day(-2))
}
