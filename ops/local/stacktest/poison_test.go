package stacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/loadtest"
	"penstock/ops/local/kafka"
)

// replayed is what `ingest dlq replay --json` says.
type replayed struct {
	Letters    int64            `json:"letters"`
	Stored     int64            `json:"stored"`
	Already    int64            `json:"already_stored"`
	Duplicates int64            `json:"duplicates"`
	Rejected   map[string]int64 `json:"rejected"`
	Gone       int64            `json:"gone"`
	Open       int64            `json:"open"`
}

// mendedSchema writes the product's schema with room for devices whose clocks are
// years ahead, or were never set.
func mendedSchema(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "schema", "telemetry.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	mended := string(text)
	for before, after := range map[string]string{"max_ahead: 24h": "max_ahead: 100000h", "not_before: 2015-01-01": "not_before: 1970-01-01"} {
		if !strings.Contains(mended, before) {
			t.Fatalf("the schema has no %q to mend", before)
		}
		mended = strings.Replace(mended, before, after, 1)
	}
	path := filepath.Join(t.TempDir(), "mended.yaml")
	if err := os.WriteFile(path, []byte(mended), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPoison has a fleet send 5 % of what cannot be stored, of every kind. All
// that is good is stored once and all else dead-lettered for its reason; after the
// cause of some is mended they are replayed, once, however often.
func TestPoison(t *testing.T) {
	a := newAudited(t, start(t, kafka.KFake).Addresses())
	node := a.command(t.Context(), "run")
	node.Stdout, node.Stderr = io.Discard, io.Discard
	node.Cancel = func() error { return node.Process.Signal(os.Interrupt) }
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	load := fleetTo(a.at, a.topic, a.at.ClickHouse.Database)
	load.Rate, load.Duration, load.Devices = 1000, 6*time.Second, 50
	load.Shares = loadtest.Shares{Resend: 0.02, Malformed: 0.05}
	sent, err := loadtest.Run(t.Context(), load, loadtest.Output{Writer: io.Discard})
	if err != nil || sent.OtherReason+sent.Unrejected+sent.Wrongly != 0 || sent.MalformedSent < 250 || len(sent.ByReason) < 8 {
		t.Fatalf("%v\n%+v", err, sent)
	}
	eventually(t, "commit of all that was sent", func() error { return a.committed(t.Context()) })
	if err := node.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := node.Wait(); err != nil {
		t.Fatal(err)
	}
	good := counted{Stored: int64(sent.Good), Duplicates: int64(sent.Resent), Rejects: int64(sent.MalformedSent)}
	a.want(t, a.audit(t), 0, "proven", good)

	// With nothing mended nothing is stored.
	replay := func(args ...string) replayed {
		t.Helper()
		r, err := a.replay(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	letters := int64(sent.MalformedSent)
	if got := replay(); got.Stored != 0 || got.Letters != letters {
		t.Errorf("with nothing mended: %+v", got)
	}
	// A clock that is wrong, and records that are large, are stored now.
	mend := []string{"--set", "schema=" + mendedSchema(t), "--set", "max_record_bytes=4194304", "--set", "bounds.text_bytes=4194304", "--set", "bounds.extra_bytes=4194304"}
	able := int64(sent.ByReason["time"] + sent.ByReason["too_large"])
	if got := replay(append(mend, "--dry-run")...); got.Stored != able || got.Already != 0 {
		t.Errorf("dry: %+v, want %d stored", got, able)
	}
	a.want(t, a.audit(t), 0, "proven", good)
	if got := replay(append(mend, "--reason", "time", "--partition", "0")...); got.Stored == 0 || got.Stored == able {
		t.Errorf("of one partition: %+v", got)
	}
	a.killReplay(t, append(mend, "--reason", "time,too_large", "--rate", "2")...)
	// Two at once: one waits for the other, and both for the one that was killed.
	both := make(chan replayed, 2)
	var at sync.WaitGroup
	for range cap(both) {
		at.Go(func() {
			r, err := a.replay(t.Context(), mend...)
			if err != nil {
				t.Error(err)
			}
			both <- r
		})
	}
	at.Wait()
	first, second := <-both, <-both
	if first.Already > second.Already {
		first, second = second, first
	}
	if first.Stored == 0 || first.Stored+first.Already != able || first.Letters != letters || first.Open+first.Gone+first.Duplicates != 0 {
		t.Errorf("after the cause is mended: %+v, want all of %d stored", first, able)
	}
	if second.Stored != 0 || second.Already != able {
		t.Errorf("run twice: %+v, want %d stored already", second, able)
	}
	good.Stored += able
	good.Rejects -= able
	good.Replayed = able
	a.want(t, a.audit(t, mend...), 0, "proven", good)
}

// replay runs the command as a script does.
func (a *audited) replay(ctx context.Context, args ...string) (r replayed, err error) {
	cmd := a.command(ctx, "dlq", append([]string{"replay", "--json"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		err = fmt.Errorf("replay: %w\n%s%s", err, out, said.String())
	}
	return r, err
}

// killReplay kills a replay once it has stored something.
func (a *audited) killReplay(t *testing.T, args ...string) {
	t.Helper()
	cmd := a.command(t.Context(), "dlq", append([]string{"replay"}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := a.text(t, "SELECT toString(count()) FROM "+a.hot)
	eventually(t, "rows of a replay", func() error {
		if now := a.text(t, "SELECT toString(count()) FROM "+a.hot); now == before {
			return fmt.Errorf("%s rows", now)
		}
		return nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the replay ended before it was killed")
	}
}
