package state

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	ch "github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"go.uber.org/goleak"
)

var rewrite = flag.Bool("rewrite", false, "write what is got into the golden files; read the difference before you keep it")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares a value, as JSON, with a file of testdata.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got, path := string(text)+"\n", filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant, from %s:\n%s", got, path, want)
	}
}

func number(v float64) *float64 { return &v }

// inserting is an error as an insert of it has, behind what the pipeline adds.
func inserting(code proto.Error, message string) error {
	return fmt.Errorf("insert of 97 rows: %w", &ch.Exception{Code: code, Message: message})
}
