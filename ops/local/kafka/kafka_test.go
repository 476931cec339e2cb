package kafka

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/local/child"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

func TestProperties(t *testing.T) {
	f := func(golden string, c Config) {
		t.Helper()
		got := c.properties()
		golden = filepath.Join("testdata", golden)
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("differs from %s; if that is meant, run with -rewrite. Got:\n%s", golden, got)
		}
	}
	f("server.properties", Config{Dir: "/state/kafka", Port: 9092, ControllerPort: 9093})
	f("behind.properties", Config{Dir: "/state/kafka", Port: 9092, ControllerPort: 9093,
		Behind: []Listener{{Port: 9094, Advertised: 19094}, {Port: 9095, Advertised: 19095}}})
}

func TestJavaVersion(t *testing.T) {
	f := func(said string, want int) {
		t.Helper()
		got, err := javaVersion(said)
		if err != nil || got != want {
			t.Errorf("%q: version %d (%v), want %d", said, got, err, want)
		}
	}
	f(`openjdk version "17.0.15" 2025-04-15`, 17)
	f(`java version "1.8.0_392"`, 8)
	f(`openjdk version "25" 2025-09-16`, 25)
	f("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"21.0.1\" 2023-10-17 LTS", 21)
	if got, err := javaVersion("zsh: no such file"); err == nil {
		t.Errorf("no version in it, got %d", got)
	}
}

// java puts a java on the PATH that says it is of a version; "" means none.
func java(t *testing.T, version string) {
	t.Helper()
	dir := t.TempDir()
	if version != "" {
		script := "#!/bin/sh\necho 'openjdk version \"" + version + "\"' >&2\n"
		if err := os.WriteFile(filepath.Join(dir, "java"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestChoose(t *testing.T) {
	f := func(version string, asked, want Kind, note, fault string) {
		t.Helper()
		java(t, version)
		got, said, err := Choose(t.Context(), asked)
		if fault != "" {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("java %q, asked %q: error %v, want %q", version, asked, err, fault)
			}
			return
		}
		if err != nil || got != want || !strings.Contains(said, note) || (note == "") != (said == "") {
			t.Errorf("java %q, asked %q: %q, note %q, %v; want %q with a note of %q", version, asked, got, said, err, want, note)
		}
	}
	f("17.0.15", "", Apache, "", "")
	f("17.0.15", Apache, Apache, "", "")
	f("17.0.15", KFake, KFake, "", "")
	// Without Java kfake is taken, and said.
	f("", "", KFake, "kafka is kfake, not Apache Kafka: java is missing; Apache Kafka needs Java 17 or newer; install it, for example: apt-get", "")
	f("11.0.2", "", KFake, "java is version 11", "")
	// What was asked for is not exchanged for something else.
	f("", Apache, "", "", "java is missing")
	f("1.8.0_392", Apache, "", "", "java is version 8")
	f("17.0.15", "redpanda", "", "", `"redpanda"; use apache or kfake`)
}

func TestFakeCannotStandBehindAProxy(t *testing.T) {
	b := New(Config{Kind: KFake, Dir: t.TempDir(), Port: 1, Behind: []Listener{{Port: 2, Advertised: 3}}})
	if err := b.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "use --kafka=apache") {
		t.Errorf("got %v", err)
	}
}

func TestFakeKeepsAddressAndData(t *testing.T) {
	port, err := child.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := New(Config{Kind: KFake, Dir: t.TempDir(), Port: port})
	if b.Name() != "kfake" || b.Process() != nil {
		t.Errorf("it is %q with process %v", b.Name(), b.Process())
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchMaxBytes(MaxMessageBytes-1024),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 2<<20)
	if err := client.ProduceSync(t.Context(), kgo.StringRecord(big)).FirstErr(); err != nil {
		t.Fatalf("a 2 MiB record: %v", err)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	records := client.PollFetches(t.Context()).Records()
	if len(records) != 1 || string(records[0].Value) != big {
		t.Errorf("after a restart there are %d records, want the one", len(records))
	}
	if err := b.Kill(); err == nil {
		t.Error("kfake cannot be killed, and said nothing")
	}
}
