package stacktest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"penstock/ops/local/kafka"
	"penstock/ops/local/stack"
	"penstock/schema"
	"penstock/tiering"
	"penstock/tiering/warehouse"
)

// TestTornMove: ClickHouse takes over the parts of a day that moves one by one,
// and gives them up after that. One that was killed in between has some of them
// in both tables, which ATTACH PARTITION FROM makes here. The view shows each row
// once all the same, and the day goes to the cold tier.
func TestTornMove(t *testing.T) {
	a := start(t, kafka.KFake).Addresses()
	t.Run("torn", func(t *testing.T) { tornMove(t, a, false) })
	t.Run("torn_and_merged", func(t *testing.T) { tornMove(t, a, true) })
}

func tornMove(t *testing.T, a stack.Addresses, merged bool) {
	name := filepath.Base(t.Name())
	e := coldTierOf(a, name, name)
	s := openColdTier(t, e, func(c *tiering.Config, _ *warehouse.Config) { c.LeaseTTL = time.Second })
	day := schema.DayOf(time.Now().UnixMilli()) - 40
	hot, sealed, all := s.schema.Hot(s.tables), s.schema.Sealed(s.tables), s.schema.All(s.tables)
	s.exec(t, "SYSTEM STOP MERGES "+hot)
	s.insert(t, day, 0, 4_000)
	s.insert(t, day, 1_000_000, 3_000)
	rows, hash := s.content(t, "(SELECT * FROM "+hot+")")
	stored := s.count(t, "SELECT count() FROM "+hot)
	shows := func(when string) {
		t.Helper()
		if n := s.count(t, "SELECT count() FROM "+all); n != stored {
			t.Errorf("%s: the view shows %d rows, want %d", when, n, stored)
		}
	}

	c := tiering.New(s.config, tiering.Dependencies{Table: s.schema.Name, Warehouse: tornMoves{s.warehouse, func() {
		s.exec(t, "ALTER TABLE "+sealed+" ATTACH PARTITION '"+day.String()+"' FROM "+hot)
		var part string
		if err := s.conn.QueryRow(t.Context(), "SELECT any(name) FROM system.parts WHERE active AND database = $1 AND table = 'telemetry_sealed'", e.clickHouse.Database).Scan(&part); err != nil {
			t.Fatal(err)
		}
		s.exec(t, "ALTER TABLE "+sealed+" DROP PART '"+part+"'")
		if merged {
			s.exec(t, "OPTIMIZE TABLE "+sealed+" FINAL")
		}
	}}, Objects: s.objects, Holder: "dying"})
	if _, err := c.Pass(t.Context()); !errors.Is(err, errTorn) {
		t.Fatal(err)
	}
	if n := s.count(t, "SELECT count() FROM "+sealed); n == 0 || n >= stored {
		t.Fatalf("%d rows are sealed; the move was to be torn", n)
	}
	shows("after the move was torn")
	time.Sleep(s.config.LeaseTTL) // which is not given back while a move may be executed

	next := s.compactor(tiering.Events{Begun: func(step tiering.Step) {
		if step.Action == tiering.Seal {
			shows("when the sealed ones are dropped again")
		}
	}})
	if _, err := next.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, h := s.content(t, all); r != rows || h != hash {
		t.Errorf("the view shows %d events with hash %d, want %d with %d", r, h, rows, hash)
	}
	if n := s.count(t, "SELECT (SELECT count() FROM "+hot+") + (SELECT count() FROM "+sealed+")"); n != 0 {
		t.Errorf("%d rows are not cold", n)
	}
}

var errTorn = errors.New("connection reset")

// tornMoves is a warehouse whose moves end like this.
type tornMoves struct {
	tiering.Warehouse
	tear func()
}

func (w tornMoves) Seal(context.Context, schema.Day, time.Time) error {
	w.tear()
	return errTorn
}
