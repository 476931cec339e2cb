package loadtest

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestStallIsSeen stops what stores for two seconds, and what takes the records
// from the fleet. A measurement that counted from when records were really sent,
// or sent none meanwhile, would have next to nothing to show of the second, and
// little of the first: the readings that should have been sent are those that
// had to wait.
func TestStallIsSeen(t *testing.T) {
	const stall = 2 * time.Second
	f := func(name string, arrange func(cluster *kfake.Cluster, n *node)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t)
			n := &node{}
			arrange(cluster, n)
			startNode(t, cluster.ListenAddrs(), n)
			c := shortRun(t, cluster.ListenAddrs())
			c.Phases = []Phase{{Name: "all", For: 4 * time.Second, From: 1000, To: 1000}}
			c.Intervals = 500 * time.Millisecond
			r, err := run(t.Context(), c, time.Now(), n, Output{Writer: &bytes.Buffer{}})
			if err != nil {
				t.Fatal(err)
			}
			if r.Good != 4000+4 {
				t.Errorf("%d readings were sent; the schedule has 4000, and 4 close the partitions", r.Good)
			}
			if r.VisibleMax < 1950 || r.VisibleMax > 3500 || r.VisibleP99 < 1850 || r.Phases[0].VisibleMax != r.VisibleMax {
				t.Errorf("visible after %v ms (p99), %v ms (max); a stall of %v has to show", r.VisibleP99, r.VisibleMax, stall)
			}
			// Those of its first second waited for more than the second that is left.
			if r.Waited < 900 || r.Waited > 2000 {
				t.Errorf("%d readings waited for more than a second; want those of about one", r.Waited)
			}
			worst := 0.0
			for _, i := range r.Intervals {
				if i.VisibleP50 > 1500 {
					worst += i.From
				}
			}
			if worst == 0 {
				t.Errorf("no half second shows the stall in its median: %+v", r.Intervals)
			}
			if last := r.Moments[len(r.Moments)-1]; len(r.Moments) < 6 || last.Seen > last.Live || last.Sent == 0 {
				t.Errorf("moments: %+v", r.Moments)
			}
		})
	}
	f("what stores stands still", func(_ *kfake.Cluster, n *node) {
		var once sync.Once
		begins := time.Now().Add(1500 * time.Millisecond)
		n.lose = func(string, uint64) bool {
			if time.Now().After(begins) {
				// With the lock of the table: nothing becomes visible either.
				once.Do(func() { time.Sleep(stall) })
			}
			return false
		}
	})
	f("the broker does not answer", func(cluster *kfake.Cluster, _ *node) {
		var once sync.Once
		begins := time.Now().Add(1500 * time.Millisecond)
		cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if time.Now().After(begins) {
				once.Do(func() { time.Sleep(stall) })
			}
			return nil, nil, false
		})
	})
}
