package tiering

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"penstock/schema"
	"penstock/tiering/archive"
)

// InsertSealed implements [Warehouse]. Tokens are forgotten with the partition,
// as a plain table does.
func (w *warehouse) InsertSealed(_ context.Context, rows *archive.Rows, token string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	columns := map[string]proto.ColInput{}
	for _, c := range rows.Columns() {
		columns[c.Name] = c.Data
	}
	var events []event
	for i := range rows.Len() {
		e := event{
			device: columns["device_id"].(*proto.ColStr).Row(i),
			seq:    (*columns["seq"].(*proto.ColUInt64))[i],
			time:   columns["ts"].(*proto.ColDateTime64).Row(i).UnixMilli(),
			offset: (*columns["_offset"].(*proto.ColInt64))[i],
		}
		if noise, ok := columns["noise_db"]; ok {
			e.noise = noise.(*proto.ColNullable[float64]).Row(i).Value
		}
		events = append(events, e)
	}
	day := events[0].day()
	if w.tokens[day] == nil {
		w.tokens[day] = map[string]bool{}
	}
	if w.tokens[day][token] && !w.forgetful {
		return nil
	}
	if shown := w.shown; !w.leavesOut(day) {
		return fmt.Errorf("rows of %v are loaded while the view %q reads them", day, shown)
	}
	w.tokens[day][token] = true
	w.lastBlock++
	for i := range events {
		events[i].block = w.lastBlock
	}
	w.sealed[day] = append(w.sealed[day], events...)
	return nil
}

// SealedBeside implements [Warehouse].
func (w *warehouse) SealedBeside(_ context.Context, _ *schema.Schema, day schema.Day, files []string) (n uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cold := map[identity]bool{}
	for _, key := range files {
		rows, err := readEvents(w.objects, key)
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			cold[identity{r.Device, r.Seq}] = true
		}
	}
	for _, e := range w.sealed[day] {
		if !cold[identity{e.device, e.seq}] {
			n++
		}
	}
	return n, nil
}
