package stacktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/kafka"
	"penstock/schema"
)

// TestBackfill adds rollups to events of three days, one of them sealed, while a
// node stores more of all days, and kills the command again and again on its way.
// Every rollup has to count every event once.
func TestBackfill(t *testing.T) {
	a := newAudited(t, start(t, kafka.KFake).Addresses())
	example, err := filepath.Abs("../../../docs/examples/telemetry_rollups.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := schema.Open(example)
	if err != nil {
		t.Fatal(err)
	}
	send := func(n int) {
		var records []*kgo.Record
		for range n {
			device := a.seq % 17
			value := reading(device, a.seq, a.noon.Add(time.Duration(a.seq%3)*-24*time.Hour+time.Duration(a.seq)*time.Second))
			records = append(records, &kgo.Record{Topic: a.topic, Key: fmt.Appendf(nil, "device-%d", device), Value: []byte(value)})
			a.seq++
		}
		if err := a.kafka.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Error(err)
		}
	}
	send(3000)
	a.store(t)
	a.seal(t)

	node := a.command(t.Context(), "run")
	var log bytes.Buffer // read once the node has ended
	node.Stdout, node.Stderr = &log, &log
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	done, end := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	sender.Go(func() {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for done.Err() == nil {
			send(20)
			<-again.C
		}
	})
	kills := 0
	for after := 100 * time.Millisecond; ; after += after / 3 {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		out, err := a.command(ctx, "migrate", "--set", "schema="+example).CombinedOutput()
		killed := ctx.Err() != nil
		cancel()
		if err == nil {
			break
		}
		if !killed {
			t.Fatalf("%v\n%s", err, out)
		}
		if kills++; kills > 20 {
			t.Fatalf("not done within %v\n%s", after, out)
		}
	}
	end()
	sender.Wait()
	eventually(t, "all that was sent", func() error {
		if n := a.text(t, "SELECT toString(count()) FROM "+a.hot+"_all"); n != fmt.Sprint(a.seq) {
			return fmt.Errorf("%s are stored, want %d", n, a.seq)
		}
		return nil
	})
	if err := errors.Join(node.Process.Signal(syscall.SIGTERM), node.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Logf("%d events, %d kills", a.seq, kills)

	for _, r := range more.RollupTables(schema.Tables{Database: "audited"}) {
		want := read(t, a.conn, fmt.Sprintf("SELECT [toString(%s AS p), toString(count())] FROM %s_all GROUP BY p ORDER BY p", r.PeriodOf(), a.hot))
		got := read(t, a.conn, fmt.Sprintf("SELECT [toString(%s), toString(sum(events))] FROM audited.%s GROUP BY %[1]s ORDER BY %[1]s", r.Period(), r.Name()))
		if len(want) == 0 || len(got) != len(want) {
			t.Errorf("%s has %d periods, want %d", r.Name(), len(got), len(want))
			continue
		}
		for i := range want {
			if got[i][0] != want[i][0] || got[i][1] != want[i][1] {
				t.Errorf("%s has %v, want %v", r.Name(), got[i], want[i])
			}
		}
	}
	// Nothing is left of the work, and the view takes whatever is inserted.
	if left := read(t, a.conn, "SELECT [name] FROM system.tables WHERE database = 'audited' AND (name LIKE '%fill%' OR name LIKE '%\\_1_' AND comment != '' OR name LIKE '%\\_feed' AND (comment != '' OR create_table_query LIKE '%transform%'))"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
