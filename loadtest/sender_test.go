package loadtest

import (
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// acceptAll has a cluster take all that is produced without keeping it: what is
// left is the sender's own work.
func acceptAll(cluster *kfake.Cluster) {
	next := map[int32]int64{}
	cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		produce := request.(*kmsg.ProduceRequest)
		response := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				taken := kmsg.NewProduceResponseTopicPartition()
				taken.Partition, taken.BaseOffset = partition.Partition, next[partition.Partition]
				next[partition.Partition] += int64(binary.BigEndian.Uint32(partition.Records[57:])) // how many records
				answer.Partitions = append(answer.Partitions, taken)
			}
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}

// BenchmarkSend is all that the fleet does for a record, from drawing it to
// its acknowledgement and its visibility, as CPU time of all goroutines. The
// broker's side of the connection is in it.
func BenchmarkSend(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(8, "telemetry"))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	acceptAll(cluster)
	c := DefaultConfig()
	c.Brokers, c.Rate = cluster.ListenAddrs(), 150_000
	book, queues := newLedger(true), newVisibility()
	crew, err := newSender(c, newFleet(c, testStart), book, queues)
	if err != nil {
		b.Fatal(err)
	}
	defer crew.client.Close()
	done, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				for _, w := range queues.awaited() {
					queues.arrived(upTo(w.partition, w.offset+1, w.offset+100_000), now)
				}
			}
		}
	}()
	before := cpuTime(b)
	plan := newSchedule(time.Now(), constant(c.Rate, 0))
	plan.slots = int64(b.N)
	if err := crew.sendAll(b.Context(), plan); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/event")
	close(done)
	<-seen
}

// cpuTime is what the process has used.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
