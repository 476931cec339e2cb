package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"penstock/schema"

	"github.com/go-json-experiment/json/jsontext"
)

// The JSON parsing test suite of Nicolas Seriot, which parsers are held to: y_
// files have to be accepted, n_ files rejected, i_ files are left to the parser.
const (
	suiteModule = "github.com/nst/JSONTestSuite@v0.0.0-20241122125541-1ef36fa01286"
	suiteSum    = "h1:t/cjDwz9uc/5ZSagWtr7nWpoEA5Imvw/ArlJuI+d+Cw="
)

// suite returns the suite's files. It has no package to import, so the go command
// is asked for the module, which it keeps as it does others.
func suite(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", suiteModule)
	cmd.Dir = t.TempDir() // outside of this module, whose go.mod it is no part of
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("%s cannot be had, as without a network the first time: %v %s", suiteModule, err, out)
	}
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	if module.Sum != suiteSum {
		t.Fatalf("%s has the sum %s, want %s", suiteModule, module.Sum, suiteSum)
	}
	files, err := filepath.Glob(filepath.Join(module.Dir, "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d files in %s: %v", len(files), module.Dir, err)
	}
	return files
}

// TestSuite: the verdict on each file of the suite, as a record and as a member
// of one, read by the parser and as predicted, is that of encoding/json/v2. It
// rejects two y_ files, for their duplicate keys; and deeper than 64 is too deep
// for us, whatever it is.
func TestSuite(t *testing.T) {
	s := everyType(t)
	const member = `{"device":"d","seq":1,"at":1793000000000,"unknown":%s}`
	known := fmt.Sprintf(member, "1")
	accepted := map[string]int{}
	for _, path := range suite(t) {
		name := filepath.Base(path)
		value, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range []string{string(value), fmt.Sprintf(member, value)} {
			parsed := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
			predicted := schema.NewDecoder(s, schema.JSON, schema.DefaultMaxRecordBytes)
			b := schema.NewBlock(s)
			for range 2 {
				if _, err := predicted.Decode(schema.Record{Time: noon, Value: []byte(known)}, b); err != nil {
					t.Fatal(err)
				}
			}
			_, first := parsed.Decode(schema.Record{Time: noon, Value: []byte(record)}, schema.NewBlock(s))
			_, second := predicted.Decode(schema.Record{Time: noon, Value: []byte(record)}, b)
			if fmt.Sprint(first) != fmt.Sprint(second) {
				t.Errorf("%s: the parser says %v, and as predicted it is %v", name, first, second)
			}
			checkVerdict(t, name, record, first)
			if first == nil {
				accepted[name[:2]]++
			}
		}
	}
	if accepted["n_"] > 0 || accepted["y_"] < 90 {
		t.Errorf("accepted: %v; want none of the n_ files, and the y_ files but two", accepted)
	}
	t.Logf("accepted as a member: %v", accepted)
}

// checkVerdict holds what became of a record against encoding/json/v2.
func checkVerdict(t *testing.T, name, record string, got error) {
	t.Helper()
	valid := jsontext.Value(record).IsValid()
	var why *schema.Rejection
	errors.As(got, &why)
	syntax := why != nil && (why.Reason == schema.ReasonMalformed || why.Reason == schema.ReasonNesting || why.Reason == schema.ReasonEmpty)
	if tooDeep := why != nil && why.Reason == schema.ReasonNesting; tooDeep && strings.Count(record, "[")+strings.Count(record, "{") > 64 {
		return
	}
	if valid && syntax || !valid && got == nil {
		t.Errorf("%s: %.80q is valid: %v, and the decoder says %v", name, record, valid, got)
	}
}
