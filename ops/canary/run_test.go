package canary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/pipeline"
	"penstock/pipeline/receipts"
	"penstock/schema"
)

// world is a Kafka and a ClickHouse that take a while, or are away.
type world struct {
	mu    sync.Mutex // guards what follows
	rows  []stored
	delay time.Duration // until what is produced can be queried; negative for never
	kafka error
	away  error // ClickHouse's
	asked int
}

type stored struct {
	partition int32
	at        int64
	from      time.Time
}

func (w *world) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kafka != nil {
		if !errors.Is(w.kafka, errSilent) {
			go promise(r, w.kafka)
		}
		return
	}
	if w.delay >= 0 {
		var n int64
		text := string(r.Value)
		if _, err := fmt.Sscanf(text[strings.Index(text, `"ts":`):], `"ts":%d`, &n); err != nil {
			panic(err)
		}
		w.rows = append(w.rows, stored{r.Partition, n, time.Now().Add(w.delay)})
	}
	go promise(r, nil)
}

var errSilent = errors.New("it does not answer")

func (w *world) Everywhere(_ context.Context, table string, events []receipts.Event) (found []receipts.Copy, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.away != nil {
		return nil, w.away
	}
	for _, r := range w.rows {
		if !time.Now().Before(r.from) && slices.Contains(events, receipts.Event{Device: fmt.Sprintf("penstock-canary-%d", r.partition), Time: r.at}) {
			found = append(found, receipts.Copy{Time: r.at, Origin: schema.Origin{Partition: r.partition}})
		}
	}
	return found, nil
}

func (w *world) set(change func(*world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// told is what the events say.
type told struct {
	mu                             sync.Mutex
	sent, failed, lost, late, away int
	seen                           []time.Duration
	why                            error
}

func (o *told) events() Events {
	count := func(n *int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		*n++
	}
	return Events{
		Sent: func() { count(&o.sent) },
		Failed: func(err error) {
			count(&o.failed)
			o.mu.Lock()
			defer o.mu.Unlock()
			o.why = err
		},
		Seen: func(took time.Duration) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.seen = append(o.seen, took)
		},
		Lost: func(Canary) { count(&o.lost) },
		Late: func(Canary, time.Duration) { count(&o.late) },
		Asked: func(err error) {
			if err != nil {
				count(&o.away)
			}
		},
	}
}

// forget forgets what was seen.
func (o *told) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = nil
}

// fly runs canaries, one a second to four partitions of two shards, while f plays.
func fly(t *testing.T, f func(w *world, o *told)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, o := &world{delay: 400 * time.Millisecond}, new(told)
		p := pipeline.Default()
		p.Kafka.Topic, p.ClickHouse.Shards = "t", []pipeline.Shard{{Name: "a"}, {Name: "b"}}
		fleet, err := New(Default(), p, schema.Telemetry(), w, nil, o.events())
		if err != nil {
			t.Fatal(err)
		}
		fleet.stores = []store{w, w}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { fleet.Run(ctx, func() (int, error) { return 4, nil }) })
		pass(time.Millisecond) // what is played comes between two ticks
		f(w, o)
		stop()
		running.Wait()
	})
}

// pass lets time pass, and everything that is due be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestSeen(t *testing.T) {
	fly(t, func(w *world, o *told) {
		pass(100*time.Second + 700*time.Millisecond)
		if len(o.seen) != 100 || o.sent != 100 || o.failed+o.lost+o.late+o.away > 0 {
			t.Errorf("%+v", o)
		}
		for _, took := range o.seen {
			if took < 400*time.Millisecond || took > 400*time.Millisecond+pollEvery {
				t.Errorf("seen after %v, and it took 400ms", took)
			}
		}
		// Three or four polls until one is seen, and none after.
		if w.asked > 4*100 {
			t.Errorf("asked %d times for 100", w.asked)
		}
	})
}

// While Kafka does not answer, canaries fail once their time is over; what it takes
// afterwards is counted as before.
func TestKafkaAway(t *testing.T) {
	fly(t, func(w *world, o *told) {
		w.set(func(w *world) { w.kafka = errSilent })
		pass(69 * time.Second)
		if o.failed != 9 || o.sent+o.lost+len(o.seen) > 0 || w.asked > 0 || !strings.Contains(o.why.Error(), "produce to t p1: not acknowledged within 1m0s") {
			t.Errorf("%+v, asked %d times", o, w.asked)
		}
		w.set(func(w *world) { w.kafka = errors.New("not allowed") })
		pass(time.Second)
		if o.failed != 11 || o.why == nil { // one that is refused, and one whose time is over
			t.Errorf("%+v", o)
		}
		w.set(func(w *world) { w.kafka = nil })
		pass(10*time.Second + 600*time.Millisecond)
		if len(o.seen) != 10 {
			t.Errorf("%+v", o)
		}
	})
}

// A ClickHouse that is away for 20 s makes those on their way late by as much, and is
// not asked all the time.
func TestClickHouseAway(t *testing.T) {
	fly(t, func(w *world, o *told) {
		pass(10 * time.Second)
		w.set(func(w *world) { w.away = errors.New("connection refused") })
		o.forget()
		pass(20 * time.Second)
		if o.lost > 0 || o.away < 30 || o.away > 42 {
			t.Errorf("%+v", o)
		}
		w.set(func(w *world) { w.away = nil })
		pass(2*time.Second + 600*time.Millisecond)
		if len(o.seen) != 23 || slices.Max(o.seen) < 20*time.Second || slices.Max(o.seen) > 22*time.Second {
			t.Errorf("%d are seen, the last after %v", len(o.seen), slices.Max(o.seen))
		}
	})
}

// What is not stored is lost after its limit, and told once more if it comes after all.
func TestLost(t *testing.T) {
	fly(t, func(w *world, o *told) {
		w.set(func(w *world) { w.delay = 90 * time.Second })
		pass(65 * time.Second)
		if o.lost != 5 || o.late+len(o.seen) > 0 {
			t.Errorf("%+v", o)
		}
		w.set(func(w *world) { w.delay = 0 })
		pass(60 * time.Second)
		if o.lost != 65 || o.late != 30 || len(o.seen) != 59 { // the last is on its way
			t.Errorf("lost %d, late %d, seen %d", o.lost, o.late, len(o.seen))
		}
	})
}

// Nobody knows the partitions: nothing can be sent, and that counts once it has lasted.
func TestNoPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(told)
		p := pipeline.Default()
		fleet, err := New(Default(), p, schema.Telemetry(), new(world), nil, o.events())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 62*time.Second+500*time.Millisecond)
		defer stop()
		fleet.Run(ctx, func() (int, error) { return 0, errSilent })
		if o.failed != 3 || !errors.Is(o.why, errSilent) {
			t.Errorf("%+v", o)
		}
	})
}

func TestConfig(t *testing.T) {
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := Default()
		change(&c)
		switch err := c.Validate(); {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", func(*Config) {})
	f("", func(c *Config) { c.Every = 0 })
	f("watch.canary_every is 1ms; want at least 10ms", func(c *Config) { c.Every = time.Millisecond })
	f("watch.canary_limit is 5s; want more than 5s", func(c *Config) { c.Limit = promise })
	f("so that 360000 may be on their way", func(c *Config) { c.Every, c.Limit = 10*time.Millisecond, time.Hour })
	f("watch.canary_device is empty", func(c *Config) { c.Device = "" })
}
