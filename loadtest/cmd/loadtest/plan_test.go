package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files and the generated part of docs/sizing.md anew; understand the difference before you commit it")

// plan runs the command and returns what it prints.
func plan(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(append([]string{"plan"}, args...))
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// The load the product is built for, as text.
func TestPlanOfAMillion(t *testing.T) {
	got, err := plan(t, "--rate", "1000000", "--size", "500", "--retention", "kafka=7,hot=30,cold=365")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "plan.txt")
	if *rewrite {
		write(t, path, got)
	}
	if want := read(t, path); got != want {
		t.Errorf("differs from %s; -rewrite writes it anew. Got:\n%s", path, got)
	}
	for _, want := range []string{"partitions                      96", "It has caught up", "ClickHouse is the bottleneck"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

// What docs/sizing.md shows is what the command prints.
func TestSizingPageIsTrue(t *testing.T) {
	const begin, end = "<!-- loadtest plan --markdown -->\n", "<!-- end -->\n"
	got, err := plan(t, "--markdown")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "..", "docs", "sizing.md")
	page := read(t, path)
	before, rest, ok := strings.Cut(page, begin)
	shown, after, ends := strings.Cut(rest, end)
	if !ok || !ends {
		t.Fatalf("%s has no %q or %q", path, begin, end)
	}
	if *rewrite {
		write(t, path, before+begin+got+end+after)
		return
	}
	if shown != got {
		t.Errorf("%s does not show what loadtest plan --markdown prints; go test ./loadtest/cmd/loadtest -rewrite puts it there", path)
	}
}

func TestPlanAsJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	prices := filepath.Join(t.TempDir(), "prices.yaml")
	write(t, prices, "vcpu_hour: 0\n")
	if _, err := plan(t, "--rate", "20000", "--encoding", "protobuf", "--drill", "clickhouse", "--outage", "2m", "--prices", prices, "--json", path); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Input  struct{ Rate float64 }
		Groups []struct {
			Quantities []struct {
				Name  string
				Value float64
			}
		}
		Days []struct {
			Away    string
			Verdict struct {
				Recovered bool
				MaxLag    int64 `json:"max_lag"`
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, path)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Input.Rate != 20000 || len(got.Groups) < 8 || len(got.Days) != 1 || got.Days[0].Away != "clickhouse" || !got.Days[0].Verdict.Recovered {
		t.Errorf("%+v", got)
	}
	if lag := got.Days[0].Verdict.MaxLag; lag < 3_500_000 || lag > 3_700_000 { // 30,000/s for two minutes
		t.Errorf("%d events waited at most", lag)
	}
}

func TestPlanFaults(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, err := plan(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	f("retention kafak=7: there is no such place", "--retention", "kafak=7")
	f(`drill "kafka": want clickhouse, ingest or none`, "--drill", "kafka")
	f("rate is -1", "--rate", "-1", "--drill", "none")
	f("figures of one's own", "--figures", filepath.Join(t.TempDir(), "none"), "--drill", "none")
	// A day with twelve hours of outage is not long enough.
	f("does not catch up in a day in which clickhouse is away", "--drill", "clickhouse", "--outage", "12h", "--drain", "1000h", "--json", filepath.Join(t.TempDir(), "x"))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
