package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline/dedup"
	"penstock/schema"
)

// fleetSchema is the telemetry of devices whose model is known from elsewhere.
func fleetSchema(t *testing.T) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(`name: fleet
version: 1
identity: [device_id, seq]
device: device_id
time: {field: ts, not_before: 2000-01-01T00:00:00Z, max_ahead: 24h}
fields:
  - {id: 1, name: device_id, type: string, required: true}
  - {id: 2, name: seq, type: uint64, required: true}
  - {id: 3, name: ts, type: timestamp_ms, required: true}
  - {id: 4, name: model, type: string, low_cardinality: true, from: device}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// modelsOf reads the models of a block's rows off what is sent of it.
func modelsOf(t *testing.T, b *schema.Block) []string {
	t.Helper()
	for _, c := range b.Input() {
		if c.Name != "model" {
			continue
		}
		var buf proto.Buffer
		c.Data.(proto.StateEncoder).EncodeState(&buf)
		c.Data.EncodeColumn(&buf)
		col := new(proto.ColStr).LowCardinality()
		r := buf.Reader()
		if err := errors.Join(col.DecodeState(r), col.DecodeColumn(r, b.Rows())); err != nil {
			t.Fatal(err)
		}
		out := make([]string, b.Rows())
		for i := range out {
			out[i] = col.Row(i)
		}
		return out
	}
	t.Fatal("no column model")
	return nil
}

// listDevices puts a list of devices, name=model, in the place of the one before.
func listDevices(t *testing.T, path string, devices ...string) {
	t.Helper()
	text := "device_id,model\n" + strings.ReplaceAll(strings.Join(devices, "\n"), "=", ",") + "\n"
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// TestHold: a batch waits for devices that are unknown, no longer than it is told,
// and one that has none does not.
func TestHold(t *testing.T) {
	f := func(hold time.Duration, devices, learned string, wantAge time.Duration, wantModels string, wantUnknown int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "devices.csv")
		synctest.Test(t, func(t *testing.T) {
			listDevices(t, path, "a=pump")
			cfg := Default()
			cfg.Batch.Age, cfg.Enrich.Hold, cfg.Enrich.File, cfg.Enrich.Refresh = 50*time.Millisecond, hold, path, 100*time.Millisecond
			s := fleetSchema(t)
			d, err := cfg.devices(s, Events{}.ensure())
			if err != nil {
				t.Fatal(err)
			}
			var sealed []Sealed
			events := Events{Sealed: func(e Sealed) { sealed = append(sealed, e) }}.ensure()
			owned, newest := &ownership{}, new(atomic.Pointer[schema.Schema])
			newest.Store(s)
			l := newLane(0, cfg, newest, "run", owned, events, plainDecoders(cfg), func(int, bool) {})
			l.filler.enricher.devices = d
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { d.Run(ctx) })
			running.Go(func() { _ = l.fill(ctx) })
			defer running.Wait()
			defer stop()
			synctest.Wait()

			owned.take(0, "member")
			epoch, _, _ := owned.settle(0, 0)
			if err := l.tell(ctx, control{admit: map[int32]*tenant{0: {epoch: epoch, window: dedup.NewWindow(time.Hour, dedup.Sequences), resume: func() {}}}}); err != nil {
				t.Fatal(err)
			}
			c := chunk{partition: 0, epoch: epoch, last: true}
			for i, device := range strings.Split(devices, ",") {
				c.records = append(c.records, &kgo.Record{Offset: int64(i), Timestamp: time.Now(), Value: []byte(eventAt(device, i, time.Now()))})
			}
			l.queue.push(c)
			time.Sleep(150 * time.Millisecond)
			if learned != "" {
				listDevices(t, path, "a=pump", learned)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if len(sealed) != 1 {
				t.Fatalf("%d batches are sealed, want one", len(sealed))
			}
			b := <-l.full
			got := strings.Join(modelsOf(t, b.blocks[b.inserts()[0]]), ",")
			if got != wantModels || sealed[0].Unknown != wantUnknown || sealed[0].Age != wantAge {
				t.Errorf("models are %s, %d unknown, after %v; want %s, %d, %v", got, sealed[0].Unknown, sealed[0].Age, wantModels, wantUnknown, wantAge)
			}
			if s := b.spans[0]; s.first != 0 || s.next != int64(len(c.records)) {
				t.Errorf("the batch accounts for [%d,%d)", s.first, s.next)
			}
		})
	}
	f(0, "a,b", "b=fan", 50*time.Millisecond, "pump,", 1)
	f(time.Second, "a,a", "", 50*time.Millisecond, "pump,pump", 0)
	f(time.Second, "a,b", "b=fan", 250*time.Millisecond, "pump,fan", 0)
	f(time.Second, "a,b", "", time.Second, "pump,", 1)
}

// TestDevicesAreKnownWhateverStoresTheRow: what a node stores, and what the next
// one settles for it, has the attributes of its device.
func TestDevicesAreKnownWhateverStoresTheRow(t *testing.T) {
	r := newRig(t)
	r.schema = fleetSchema(t)
	r.cfg.Enrich.File = filepath.Join(t.TempDir(), "devices.csv")
	r.cfg.StopTimeout = 200 * time.Millisecond
	listDevices(t, r.cfg.Enrich.File, "a=pump", "b=fan")
	var mu sync.Mutex
	models := map[string]int{}
	r.table.mu.Lock()
	r.table.seen = func(b *schema.Block) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range modelsOf(t, b) {
			models[m]++
		}
	}
	r.table.mu.Unlock()
	expect := func(want string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprint(models); got != want {
			t.Errorf("stored models are %s, want %s", got, want)
		}
	}
	r.send(0, event("a", 1), event("b", 1), event("c", 1))
	n := r.run(Events{})
	r.awaitStored(3)
	expect("map[:1 fan:1 pump:1]")

	// Declared, and not stored: the next owner's to settle.
	r.table.setFault(func([]schema.Origin) error { return errors.New("connection refused") })
	tried := make(chan struct{}, 1000)
	r.table.mu.Lock()
	r.table.before = func(context.Context, string, []schema.Origin) error {
		tried <- struct{}{}
		return nil
	}
	r.table.mu.Unlock()
	r.send(0, event("a", 2), event("b", 2))
	<-tried
	_ = n.stop() // which cannot store what it holds
	r.table.setFault(nil)
	r.start(Events{})
	r.awaitStored(5)
	expect("map[:1 fan:2 pump:2]")
}

// TestNodeWithoutDevices: a node that is told of no device stops and says so, and
// has stored nothing; or it goes without, if it is to.
func TestNodeWithoutDevices(t *testing.T) {
	r := newRig(t)
	r.schema = fleetSchema(t)
	r.cfg.Enrich.File = filepath.Join(t.TempDir(), "no.csv")
	r.cfg.Enrich.StartTimeout = 50 * time.Millisecond
	r.send(0, event("a", 1))
	r.expectStop("no list of devices yet", "no such file", "enrich.without")
	if stored, _ := r.table.counts(); stored != 0 {
		t.Errorf("%d rows are stored", stored)
	}
	r.cfg.Enrich.Without = "nulls"
	r.start(Events{})
	r.awaitStored(1)
}
