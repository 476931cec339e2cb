package iceberg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apache "github.com/apache/iceberg-go"
)

// The table follows the manifests: days that come, late generations, merges,
// erasures, and days that are retired. What stays the same makes no snapshot.
func TestTableFollowsTheManifests(t *testing.T) {
	g := newRig(t)
	g.pass() // a tier without days makes no table
	a, b := g.file(firstDay, "a", 0, 10), g.file(firstDay, "b", 0, 250)
	g.publish(firstDay, a, b)
	g.publish(firstDay+1, g.file(firstDay+1, "a", 10, 3))
	g.file(firstDay+1, "orphan", 0, 5) // what a crash left behind
	g.pass("committed [2024-10-04@1 2024-10-05@1] +3 -0")
	g.same()
	g.pass()

	late := g.file(firstDay, "c", 0, 1)
	g.publish(firstDay, a, b, late)
	g.pass("committed [2024-10-04@2] +1 -0")
	g.same()

	g.publish(firstDay, a, b, late) // cut over: the same files
	g.pass()

	g.publish(firstDay, b, g.file(firstDay, "a+c", 0, 11))
	g.pass("committed [2024-10-04@4] +1 -2")
	g.same()

	g.publish(firstDay + 1)
	g.pass("committed [2024-10-05@2] +0 -1")
	g.same()
	g.pass()
}

// An answer is lost after the commit was made: the snapshots tell, and nothing
// is committed again. The rest of the pass is planned anew.
func TestLostAnswerIsSettled(t *testing.T) {
	g := newRig(t)
	g.publish(firstDay, g.file(firstDay, "a", 0, 10))
	g.pass("committed [2024-10-04@1] +1 -0")

	g.publish(firstDay+1, g.file(firstDay+1, "a", 10, 10))
	g.publish(firstDay+2, g.file(firstDay+2, "a", 20, 10))
	lost := errors.New("502 bad gateway")
	g.catalog.after = func() error {
		g.catalog.after = nil
		return lost
	}
	g.said = nil
	n, err := g.registrar(func(c *Config) { c.FilesPerCommit = 1 }).Pass(t.Context())
	if err != nil || n != 1 {
		t.Errorf("the pass made %d snapshots more and ended with %v", n, err)
	}
	if want := []string{"settled [2024-10-05@1]: " + g.wrapped(lost), "moved", "committed [2024-10-06@1] +1 -0"}; !slices.Equal(g.said, want) {
		t.Errorf("the pass said %q, want %q", g.said, want)
	}
	g.same()
	if got := len(g.load().Metadata().Snapshots()); got != 3 {
		t.Errorf("the table has %d snapshots, want one a commit", got)
	}
	g.pass()
}

func (g *rig) wrapped(err error) string {
	return fmt.Sprintf("commit 1 files more and 0 less to table penstock.telemetry: %v", err)
}

// An answer is lost before the commit was made: the pass fails with it, and the
// next does what is left.
func TestLostCommitIsMadeByTheNextPass(t *testing.T) {
	g := newRig(t)
	g.publish(firstDay, g.file(firstDay, "a", 0, 10))
	g.pass("committed [2024-10-04@1] +1 -0")
	g.publish(firstDay, g.file(firstDay, "b", 0, 10))
	lost := errors.New("connection reset")
	g.catalog.before = func() error {
		g.catalog.before = nil
		return lost
	}
	if _, err := g.registrar().Pass(t.Context()); !errors.Is(err, lost) {
		t.Errorf("the pass ended with %v, want what the catalog said", err)
	}
	g.pass("committed [2024-10-04@2] +1 -1")
	g.same()
}

// Another registrar commits between plan and commit, whichever commit it is: of
// the table, of its columns, or of files. The one that lost plans anew, and
// nothing is in the table twice.
func TestRegistrarsMeet(t *testing.T) {
	for at, name := range []string{"create", "files of the first", "columns", "files of the second"} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			commits := 0
			g.catalog.before = func() error {
				if commits++; commits != at+1 {
					return nil
				}
				before := g.catalog.before
				g.catalog.before = nil
				defer func() { g.catalog.before = before }()
				_, err := g.registrar().Pass(t.Context())
				return err
			}
			g.publish(firstDay, g.file(firstDay, "a", 0, 10))
			if _, err := g.registrar().Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.same()
			g.schema = parse(t, 2, later)
			g.publish(firstDay+1, g.file(firstDay+1, "b", 0, 10))
			if _, err := g.registrar().Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.same()
			if commits <= at {
				t.Fatalf("only %d commits were made", commits)
			}
			if got := len(g.load().Metadata().Snapshots()); got != 2 {
				t.Errorf("the table has %d snapshots, want 2: %q", got, g.said)
			}
		})
	}
}

// A registrar that reads older manifests than another has committed would take
// the table back; so the table is loaded first, and its commit is refused.
func TestTableNeverGoesBack(t *testing.T) {
	g := newRig(t)
	old := g.file(firstDay, "a", 0, 10)
	g.publish(firstDay, old)
	g.pass("committed [2024-10-04@1] +1 -0")
	late := g.file(firstDay, "late", 0, 10)
	g.publish(firstDay, old, late)
	g.catalog.before = func() error { // this registrar has planned with version 2
		g.catalog.before = nil
		g.publish(firstDay, g.file(firstDay, "merged", 0, 20))
		_, err := g.registrar().Pass(t.Context())
		return err
	}
	g.pass("committed [2024-10-04@3] +1 -1", "moved")
	g.same()
}

// Who else writes to the table, or has one of the name, is told of and left
// alone.
func TestTablesOfOthers(t *testing.T) {
	g := newRig(t)
	g.publish(firstDay, g.file(firstDay, "a", 0, 10))
	g.pass("committed [2024-10-04@1] +1 -0")
	refused := func(want string, r *Registrar) {
		t.Helper()
		if _, err := r.Pass(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	elsewhere := g.registrar()
	elsewhere.root = "file:///elsewhere/"
	refused(`penstock.cold-tier = "`+g.root()+`telemetry" and not "file:///elsewhere/telemetry"`, elsewhere)

	// Somebody compacts the table with an engine of his own.
	tx := g.load().NewTransaction()
	b, err := apache.NewDataFileBuilder(g.load().Spec(), apache.EntryContentData, g.root()+"telemetry_compacted/x.parquet", apache.ParquetFile, map[int]any{dayField: int32(firstDay)}, nil, nil, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.AddDataFiles(t.Context(), []apache.DataFile{b.Build()}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("telemetry_compacted/x.parquet, which is no file of", g.registrar())
}
