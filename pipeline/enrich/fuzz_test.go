package enrich

import (
	"bytes"
	"testing"
)

// FuzzDevices: a list of devices is read or is not, and no line of it keeps the
// others from being known.
func FuzzDevices(f *testing.F) {
	s := fleetSchema(f)
	f.Add([]byte("device,model,floor\nd,m,3\n\"a\nb\",,300\n"))
	f.Add([]byte(`{"device":"d","model":"m","floor":-1}` + "\n" + `{"device":1}` + "\n[]\n"))
	f.Add([]byte("{\"device\":\"\\ud800\",\"device\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, read := range map[string]func(*told) error{
			"CSV":    func(to *told) error { return readCSV(t.Context(), bytes.NewReader(text), to) },
			"NDJSON": func(to *told) error { return readLines(t.Context(), bytes.NewReader(text), to) },
			"object": func(to *told) error { to.object("here", []byte("d"), text); return nil },
		} {
			to := newTold(s)
			if err := read(to); err != nil && err.Error() == "" {
				t.Fatalf("%s: a fault without words", name)
			}
			if (to.misfits > 0) != (to.misfit != nil) {
				t.Fatalf("%s: %d misfits, the first %v", name, to.misfits, to.misfit)
			}
			to.table.snapshot()
		}
	})
}
