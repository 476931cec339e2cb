package enrich

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// heard is what a source told.
type heard struct {
	mu      sync.Mutex
	current []Current
	failed  []error
}

func (h *heard) events() Events {
	return Events{
		Current: func(c Current) { h.mu.Lock(); defer h.mu.Unlock(); h.current = append(h.current, c) },
		Failed:  func(err error) { h.mu.Lock(); defer h.mu.Unlock(); h.failed = append(h.failed, err) },
	}
}

func (h *heard) counts() (current, failed int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.current), len(h.failed)
}

func newDevices(t *testing.T, cfg Config, services Services, events Events) *Devices {
	t.Helper()
	d, err := New(cfg, fleetSchema(t), services, events)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// models is what dev-0 to dev-3 are said to be.
func models(t *testing.T, d *Devices) string {
	t.Helper()
	b := blockOf(t, fleetSchema(t), 4)
	d.Snapshot().Fill(b, nil)
	return strings.Join(modelsOf(t, b), ",")
}

// replace puts another file in the place of one, as its writer should.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.csv")
	synctest.Test(t, func(t *testing.T) {
		h, cfg := &heard{}, Default()
		cfg.File = path
		d := newDevices(t, cfg, Services{}, h.events())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go d.Run(ctx)
		expect := func(after time.Duration, want string, current, failed int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			c, f := h.counts()
			if got := models(t, d); got != want || c != current || f != failed {
				t.Fatalf("devices are %s, told %d times, failed %d times; want %s, %d, %d\n%v", got, c, f, want, current, failed, h.failed)
			}
		}
		expect(0, ",,,", 0, 1)
		if err := h.failed[0].Error(); !strings.Contains(err, "enrich.file: open "+path) {
			t.Errorf("the failure is %s", err)
		}
		replace(t, path, "device,model,floor,heat_scale,owner\ndev-0,pump,3,,me\ndev-1,\"fan, large\",,1.5,you\n")
		expect(firstRetry, "pump,fan, large,,", 1, 1)
		// nothing new
		expect(cfg.Refresh, "pump,fan, large,,", 2, 1)
		if h.current[1].Changed || !h.current[0].Changed || h.current[1].Devices != 2 {
			t.Errorf("heard %+v; want one change to two devices", h.current)
		}
		replace(t, path, "device,floor,heat_offset,model\ndev-3,1,,valve\n")
		expect(cfg.Refresh, ",,,valve", 3, 1)
		// What cannot be read leaves what is known.
		replace(t, path, "device,model,floor,heat_offset\ndev-0,\"pump\n")
		expect(cfg.Refresh, ",,,valve", 3, 2)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		expect(cfg.Refresh, ",,,valve", 3, 3)
		replace(t, path, "device,model,floor,heat_offset\ndev-0,pump,,\n")
		expect(cfg.Refresh, "pump,,,", 4, 3)
	})
}

func TestFilesAndTheirFaults(t *testing.T) {
	f := func(name, text, want, fault string) {
		t.Helper()
		cfg := Default()
		cfg.File = filepath.Join(t.TempDir(), name)
		replace(t, cfg.File, text)
		h := &heard{}
		d := newDevices(t, cfg, Services{}, h.events())
		told, err := d.source.check(t.Context())
		if err == nil {
			d.put(told, 0)
			if got := models(t, d); got != want {
				t.Errorf("devices are %s, want %s", got, want)
			}
		}
		_, err = newDevices(t, cfg, Services{}, h.events()).Check(t.Context())
		switch {
		case fault == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case fault != "" && (err == nil || !strings.Contains(err.Error(), fault)):
			t.Errorf("%q: got %v, want it to say %s", text, err, fault)
		}
	}
	f("d.ndjson", "{\"device\":\"dev-1\",\"model\":\"pump\",\"floor\":2,\"owner\":{}}\n\n{\"device\":\"dev-2\"}\n", ",pump,,", "")
	f("d.csv", "device,model,floor,heat_scale\n", ",,,", "")
	// the last of two is what is known, wholly
	f("d.ndjson", `{"device":"dev-1","model":"pump"}`+"\n"+`{"device":"dev-1","floor":1}`, ",,,", "")
	// one slip leaves the others
	f("d.csv", "device,model,floor,heat_scale\ndev-0,pump,300,\ndev-1,fan,,\n", "pump,fan,,", `1 values do not fit and would be left out; the first: line 2: attribute floor is "300"; want a int8`)
	f("d.csv", "device,model,floor,heat_scale\n,pump,3,\ndev-1,fan,,\n", ",fan,,", "line 2: no device: device is empty")
	f("d.ndjson", "[]\n{\"model\":\"pump\"}\n{\"device\":\"dev-3\",\"model\":\"fan\"}", ",,,fan", "2 values do not fit and would be left out; the first: line 1: no JSON object")
	f("d.ndjson", `{"device":7}`, ",,,", "line 1: no device: want a string device")
	// whole lists that cannot be right
	f("d.csv", "", "", "the file is empty; want a line that names the columns")
	f("d.csv", "id,model\n", "", "no column device, which says of which device a row is; there are [id model]")
	f("d.csv", "device,modell,floor,heat_scal\n", "", "no column heat_scale or heat_offset, which the schema has from the device")
	f("d.csv", "device,model,floor,heat_scale\ndev-1,fan\n", "", "wrong number of fields")
}

func TestConfigFaults(t *testing.T) {
	cfg := Default()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	cfg.File, cfg.Topic, cfg.Refresh, cfg.StartTimeout, cfg.Without, cfg.Hold = "devices.json", "devices", 0, 0, "hope", -1
	const want = `enrich.file, enrich.query and enrich.topic: 2 of them are given; devices have one source, drop the others
enrich.file is "devices.json"; want a name that ends in one of [.csv .ndjson]
enrich.refresh is 0s; want at least 100ms, and rather 30s
enrich.start_timeout is 0s; want a positive duration such as 1m
enrich.without is "hope"; want fail or nulls
enrich.hold is -1ns; want 0 to 1m0s: all rows of a batch wait so long for one`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err := New(Default(), fleetSchema(t), Services{}, Events{})
	if err == nil || !strings.Contains(err.Error(), "schema fleet takes [floor heat_offset heat_scale model] from the device, and no source tells of devices; set enrich.file") {
		t.Errorf("got %v", err)
	}
}

func TestAwaitTheFirstList(t *testing.T) {
	f := func(without Without, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			cfg := Default()
			cfg.File, cfg.Without = filepath.Join(t.TempDir(), "no.csv"), without
			d := newDevices(t, cfg, Services{}, (&heard{}).events())
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go d.Run(ctx)
			began := time.Now()
			err := d.Await(ctx)
			if waited := time.Since(began); waited != cfg.StartTimeout {
				t.Errorf("waited %v, want %v", waited, cfg.StartTimeout)
			}
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want it to say %q", err, want)
			}
			if got := d.Snapshot().Devices(); got != 0 {
				t.Errorf("%d devices are known of no list", got)
			}
		})
	}
	f(Nulls, "")
	f(Fail, "no such file or directory, after enrich.start_timeout of 1m0s; mend the source, or set enrich.without to nulls")
}

func TestTopicIsATableThatLives(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "devices"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	opts := []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func(device, value string) {
		t.Helper()
		r := &kgo.Record{Topic: "devices", Key: []byte(device), Value: []byte(value)}
		if value == "" {
			r.Value = nil
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		send(fmt.Sprintf("dev-%d", i), `{"model":"old"}`)
	}
	send("dev-1", "")
	send("dev-2", `{"model":"pump","floor":1}`)

	cfg, h := Default(), &heard{}
	cfg.Topic = "devices"
	d := newDevices(t, cfg, Services{Kafka: opts}, h.events())
	if n, err := newDevices(t, cfg, Services{Kafka: opts}, h.events()).Check(t.Context()); n != 3 || err != nil {
		t.Fatalf("check: %d devices, %v; want 3", n, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	defer func() { stop(); <-done }()
	if err := d.Await(ctx); err != nil {
		t.Fatal(err)
	}
	// The first snapshot is all there was.
	if got := models(t, d); got != "old,,pump,old" {
		t.Errorf("devices are %s when they are first known", got)
	}
	await := func(want string) {
		t.Helper()
		for until := time.Now().Add(10 * time.Second); models(t, d) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("devices are %s, want %s; failures: %v", models(t, d), want, h.failed)
			}
		}
	}
	send("dev-1", `{"model":"fan"}`)
	send("dev-0", "")
	await(",fan,pump,old")
	// What says nothing of a device leaves what is known of it.
	send("dev-1", `{"model":`)
	send("dev-2", `{"model":"valve","floor":"high"}`)
	await(",fan,valve,old")
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.ContainsFunc(h.current, func(c Current) bool { return c.Misfits > 0 }) {
		t.Errorf("nobody was told of the misfits: %+v", h.current)
	}
}
