package stackbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/child"
)

// burstRun names the devices that were offline.
const burstRun = "offline"

// Bursted is what devices sent that were offline, while others went on.
type Bursted struct {
	Rate int `json:"rate"` // of those that went on
	// Records are those of the burst, and SentSeconds how long they took to be
	// sent.
	Records     uint64  `json:"burst_records"`
	SentSeconds float64 `json:"burst_sent_seconds"`
	// StoredSeconds is from the first of them until all were committed but for
	// what is usual.
	StoredSeconds float64 `json:"burst_stored_seconds"`
	// BurstMissing and BurstDoubled count the burst's readings.
	BurstMissing uint64 `json:"burst_missing"`
	BurstDoubled uint64 `json:"burst_doubled"`
	// LiveP50 and LiveP99 are how soon readings of the others were visible: of
	// the worst two seconds meanwhile. VisibleP50 and VisibleP99 are of the
	// whole phase.
	LiveP50    float64 `json:"live_visible_p50_ms"`
	LiveP99    float64 `json:"live_visible_p99_ms"`
	VisibleP50 float64 `json:"visible_p50_ms"`
	VisibleP99 float64 `json:"visible_p99_ms"`

	use
	proven
}

// burst has a fleet send all the time, and another one what it kept.
func (r *rig) burst(ctx context.Context, b Burst) (_ *Bursted, err error) {
	r.say("%s: %d devices send %d records/s, and after %v others send %d records of %v at %d/s", LateBurst, r.cfg.Devices, b.Rate, b.Before, b.Records, b.Offline, b.Pace)
	f, err := r.startFleet(LateBurst, Load{Rate: b.Rate})
	if err != nil {
		return nil, err
	}
	out, from, to, err := r.offline(ctx, f, b)
	if err != nil {
		return nil, errors.Join(err, f.Kill())
	}
	r.say("%s: all is stored; waiting for the proof", LateBurst)
	report, err := f.finish()
	if err != nil {
		return nil, err
	}
	out.report(report, from.Sub(f.began), to.Sub(f.began))
	if err := r.count(ctx, out); err != nil {
		return nil, err
	}
	r.say("%s: %s", LateBurst, out)
	return out, nil
}

// offline has the burst sent and waits until it is stored. The fleet is left
// running.
func (r *rig) offline(ctx context.Context, f *fleet, b Burst) (_ *Bursted, from, to time.Time, err error) {
	before, err := r.watch(ctx, LateBurst, f, func(s sample) bool { return s.at.Sub(f.began) >= b.Before })
	if err != nil {
		return nil, from, to, err
	}
	from = time.Now()
	path := filepath.Join(r.stack.Addresses().State, "burst.json")
	others, err := child.Start(child.Spec{
		Name: "loadtest preload", Log: r.log("burst"),
		Args: []string{r.program("loadtest"), "preload",
			"--brokers", r.stack.Addresses().Kafka.Brokers[0], "--topic", topic, "--run", burstRun,
			"--count", strconv.Itoa(b.Records), "--rate", strconv.FormatFloat(float64(b.Records)/b.Offline.Seconds(), 'g', -1, 64),
			"--offline", "--pace", strconv.Itoa(b.Pace), "--devices", strconv.Itoa(r.cfg.Devices), "--json", path},
	})
	if err != nil {
		return nil, from, to, err
	}
	sent := func(s sample) bool {
		select {
		case <-others.Done():
			return true
		default:
			return s.at.Sub(from) > b.Timeout
		}
	}
	during, err := r.watch(ctx, LateBurst, f, sent)
	if err == nil && !sent(sample{}) {
		err = fmt.Errorf("the burst was not sent within %v; make it smaller with --burst, or raise --catch-up-timeout", b.Timeout)
	}
	if err != nil {
		return nil, from, to, errors.Join(err, others.Kill())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, from, to, errors.Join(others.Err(), fmt.Errorf("loadtest left no report: %w", err))
	}
	var kept loadtest.Preloaded
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, from, to, fmt.Errorf("%s: %w", path, err)
	}
	enough, late := caughtUp(before, b.Rate), time.Now().Add(b.Timeout)
	after, err := r.watch(ctx, LateBurst, f, func(s sample) bool { return s.lag() <= enough || s.at.After(late) })
	if err != nil {
		return nil, from, to, err
	}
	if lag := after[len(after)-1].lag(); lag > enough {
		return nil, from, to, fmt.Errorf("the node has not caught up within %v: %d records are left, %d would be usual; lower --burst-pace, or raise --catch-up-timeout", b.Timeout, lag, enough)
	}
	to = after[len(after)-1].at
	out := &Bursted{
		Rate: b.Rate, Records: kept.Records, SentSeconds: round(kept.Seconds, 10), StoredSeconds: round(to.Sub(from).Seconds(), 10),
		BurstMissing: kept.Rows, use: used(append(during, after...)),
	}
	_, err = r.watch(ctx, LateBurst, f, func(s sample) bool { return s.at.Sub(to) >= afterBacklog })
	return out, from, to, err
}

// report fills in what the fleet has to say of a part of its run.
func (b *Bursted) report(r loadtest.Result, from, to time.Duration) {
	b.proven, b.VisibleP50, b.VisibleP99 = newProven(r), r.VisibleP50, r.VisibleP99
	b.LiveP50, b.LiveP99 = worst(r, from, to)
}

// worst is how soon readings were visible in the worst interval of a part of the
// fleet's run.
func worst(r loadtest.Result, from, to time.Duration) (p50, p99 float64) {
	for _, i := range r.Intervals {
		if i.From+liveInterval.Seconds() > from.Seconds() && i.From < to.Seconds() {
			p50, p99 = max(p50, i.VisibleP50), max(p99, i.VisibleP99)
		}
	}
	return p50, p99
}

// count compares what is stored of the burst with what was sent, which
// BurstMissing says until then.
func (r *rig) count(ctx context.Context, b *Bursted) error {
	var rows, distinct uint64
	err := r.tables.QueryRow(ctx, "SELECT count(), uniqExact(device_id, seq) FROM "+hotTable+" WHERE startsWith(device_id, ?)", "dev-"+burstRun+"-").Scan(&rows, &distinct)
	if err != nil {
		return fmt.Errorf("count what is stored of the burst: %w", err)
	}
	b.BurstMissing, b.BurstDoubled = b.BurstMissing-min(distinct, b.BurstMissing), rows-distinct
	return nil
}

func (b Bursted) fault() error {
	err := b.proven.fault(LateBurst)
	if b.BurstMissing+b.BurstDoubled > 0 {
		err = errors.Join(err, fmt.Errorf("phase %s is void: of the burst's readings %d are missing, %d doubled", LateBurst, b.BurstMissing, b.BurstDoubled))
	}
	return err
}

// String sums a burst up for a person.
func (b Bursted) String() string {
	return fmt.Sprintf("%d records were sent in %.1f s beside %d records/s, and stored after %.1f s; live readings were visible after %.0f ms (p50), %.0f ms (p99) "+
		"in the worst two seconds meanwhile, %.0f ms and %.0f ms in the whole phase; us of CPU an event: %s; parts at most %d; missing %d, duplicated %d",
		b.Records, b.SentSeconds, b.Rate, b.StoredSeconds, b.LiveP50, b.LiveP99, b.VisibleP50, b.VisibleP99, list(b.CPUMicros), b.PartsMax,
		b.Missing+b.BurstMissing, b.Duplicated+b.BurstDoubled)
}
