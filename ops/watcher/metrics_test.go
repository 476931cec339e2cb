package watcher

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"penstock/ops/canary"
	"penstock/ops/state"
	"penstock/pipeline"
	"penstock/schema"
	"penstock/tiering"
)

// -rewrite writes the golden files anew. Understand the difference first.
var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant, from %s:\n%s", got, path, want)
	}
}

// opened is a watcher of two shards that has looked at nothing.
func opened(t *testing.T) (*Watcher, *prometheus.Registry) {
	t.Helper()
	p := pipeline.Default()
	p.Kafka.Brokers, p.Kafka.Topic = []string{"localhost:1"}, "telemetry"
	p.ClickHouse.Shards = []pipeline.Shard{{Name: "a", Addr: "a:9000"}, {Name: "b", Addr: "b:9000"}}
	registry := prometheus.NewPedanticRegistry()
	w, err := Open("telemetry", Default(), p, schema.Telemetry(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, registry
}

// exposition is what Prometheus is told.
func exposition(t *testing.T, registry *prometheus.Registry) []byte {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.Bytes()
}

// play has a watcher see what it is to tell of.
func play(w *Watcher) {
	today := schema.DayOf(time.Now().UnixMilli())
	e := w.canaries()
	for range 3 {
		e.Sent()
	}
	e.Seen(800 * time.Millisecond)
	e.Seen(4900 * time.Millisecond)
	e.Lost(canary.Canary{Partition: 1, Begun: time.Now().Add(-time.Minute)})
	e.Failed(errors.New("produce to telemetry p2: not acknowledged within 1m0s"))
	e.Asked(errors.New("connection refused"))
	e.Asked(nil)
	w.now.kafka = w.now.kafka.next(time.Now(), Group{At: time.Now(), Members: 2, Partitions: []Partition{
		{ID: 0, Behind: is(time.Duration(0)), Arriving: 100, Retention: is(72 * time.Hour)},
		{ID: 1, Lag: 5000, Behind: is(50 * time.Second), Arriving: 100, Pending: 2, OldestIntent: 3 * time.Second, Retention: is(time.Hour)},
		{ID: 2, Lag: 7, Gone: 3, Retention: is(time.Duration(0))}, // how old it is could not be read
	}}, nil)
	table := func(name string, parts, fullest uint64) Table {
		return Table{Name: name, Parts: parts, Fullest: fullest, Delay: 1000, Throw: 3000}
	}
	days := []tiering.Partition{{Day: today, HotRows: 1}, {Day: today - 31, SealedRows: 1}, {Day: today - 40, HotRows: 1}}
	cold := schema.Cold{Files: []string{"day=" + (today - 40).String() + "/gen=000001/x.parquet"}}
	w.now.clickhouse[0] = w.now.clickhouse[0].next(time.Now(), Server{
		Name: "a", Addr: "a:9000", Version: "26.7", Tables: []Table{table("telemetry", 40, 30), table("telemetry_1m_state", 7, 7)},
		Disks: []Disk{{"default", 10 << 30, 100 << 30}}, ReadOnly: is(uint64(1)), partitions: days, cold: cold,
	}, nil)
	other := table("telemetry", 20, 20)
	other.Throw = 2000
	w.now.clickhouse[1] = w.now.clickhouse[1].next(time.Now(), Server{
		Name: "b", Addr: "b:9000", Version: "26.7", Tables: []Table{other}, Disks: []Disk{{"default", 20 << 30, 100 << 30}}, ReadOnly: is(uint64(0)), partitions: days[:2],
	}, nil)
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, registry := opened(t)
		play(w)
		golden(t, "metrics.txt", exposition(t, registry))
	})
}

func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := opened(t)
		play(w)
		time.Sleep(10 * time.Second) // of which the history has the samples
		text, err := json.MarshalIndent(Watchers{w}.State(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "state.json", append(text, '\n'))
	})
}

// What was not looked at, or does not answer, is told by nothing but that.
func TestAbsent(t *testing.T) {
	w, registry := opened(t)
	only := func(want string) {
		t.Helper()
		var got bytes.Buffer
		for line := range bytes.Lines(exposition(t, registry)) {
			if !bytes.HasPrefix(line, []byte("#")) && !bytes.Contains(line, []byte("_canary_")) {
				got.Write(line)
			}
		}
		if got.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
		}
	}
	const nothing = "penstock_watch_up{stream=\"telemetry\",what=\"clickhouse\"} 0\npenstock_watch_up{stream=\"telemetry\",what=\"kafka\"} 0\n"
	only(nothing)
	if problems := (Watchers{w}).Problems(); len(problems) != 3 {
		t.Errorf("it is not ready, for %q", problems)
	}
	play(w)
	if problems := (Watchers{w}).Problems(); len(problems) != 0 {
		t.Errorf("it is ready, but for %q", problems)
	}
	gone := errors.New("connection refused")
	w.now.kafka = w.now.kafka.next(time.Now(), Group{}, gone)
	w.now.clickhouse[1] = w.now.clickhouse[1].next(time.Now(), Server{}, gone)
	only(nothing)
	if problems := (Watchers{w}).Problems(); len(problems) != 2 {
		t.Errorf("it is not ready, for %q", problems)
	}
	// For people, what was known last is there still, as such.
	if s := (Watchers{w}).State(); s.Kafka[0].Up || s.Kafka[0].Records != 5007 || s.Kafka[0].Error == "" || s.ClickHouse[1].Up || len(s.ClickHouse[1].Parts) != 1 {
		t.Errorf("%+v %+v", s.Kafka, s.ClickHouse)
	}
}

// A canary that was not seen within the limit is above every bound.
func TestInvisibleIsAboveEveryBound(t *testing.T) {
	cfg := canary.Default()
	for _, limit := range []time.Duration{6 * time.Second, time.Minute, time.Hour} {
		cfg.Limit = limit
		registry := prometheus.NewRegistry()
		m := newCanaryMetrics(cfg, registry)
		m.invisible()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		promise := false
		for _, f := range families {
			for _, one := range f.GetMetric() {
				for _, b := range one.GetHistogram().GetBucket() {
					promise = promise || b.GetUpperBound() == state.Promise
					if b.GetCumulativeCount() > 0 {
						t.Errorf("with a limit of %v it is below %v", limit, b.GetUpperBound())
					}
				}
			}
		}
		if !promise {
			t.Errorf("with a limit of %v there is no bound at %v", limit, state.Promise)
		}
	}
}
