package settings_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"penstock/ops/settings"
)

var rewrite = flag.Bool("rewrite", false, "write what the transcripts give into them; read the difference before you keep it")

// config has a field of every type there is, in the shape of a real one.
type config struct {
	Common `koanf:",squash"`
	Kafka  struct {
		Brokers []string      `koanf:"brokers"`
		Topic   string        `koanf:"topic"`
		Timeout time.Duration `koanf:"session_timeout"`
	} `koanf:"kafka"`
	ClickHouse struct {
		Password   secret `koanf:"password"`
		Replicated bool   `koanf:"replicated"`
	} `koanf:"clickhouse"`
	Batch struct {
		Rows int           `koanf:"rows"`
		Age  time.Duration `koanf:"age"`
	} `koanf:"batch"`
	Log      slog.Level      `koanf:"log"`
	Buckets  []time.Duration `koanf:"buckets"`
	Failures uint8           `koanf:"failures"`
	Offset   int8            `koanf:"offset"`
	Share    float64         `koanf:"share"`
	Clock    func()          `koanf:"-"`
}

// secret tells a test how it was given.
type secret struct{ text string }

func (s *secret) UnmarshalText(text []byte) error {
	s.text = "itself: " + string(text)
	if string(text) == "guess me" {
		return errors.New("too easy to guess")
	}
	return nil
}

func (s *secret) FromFile(path string) { s.text = "in the file " + path }

func (s secret) String() string { return s.text }

type Common struct {
	Memory int64 `koanf:"memory"`
	Lanes  int   `koanf:"lanes"`
}

func defaults() *config {
	c := &config{Common: Common{Memory: 384 << 20, Lanes: 2}, Failures: 5, Share: 0.5}
	c.Kafka.Timeout = 8 * time.Second
	c.Batch.Rows, c.Batch.Age = 100_000, 700*time.Millisecond
	return c
}

func (c *config) Validate() error {
	var errs []error
	if c.Kafka.Topic == "" {
		errs = append(errs, errors.New("kafka.topic is empty; name the topic the devices send to"))
	}
	var lanes error
	if c.Lanes < 1 {
		lanes = fmt.Errorf("lanes is %d; want at least 1", c.Lanes)
	}
	if len(c.Kafka.Brokers) == 0 {
		errs = append(errs, errors.New("kafka.brokers is empty; name at least one, such as [localhost:9092]"))
	}
	return errors.Join(errors.Join(errs...), lanes) // as of a config made of configs
}

// TestTranscripts loads what each file of testdata gives, and compares what
// comes of it: the config's fields that differ from the defaults, or the
// faults. A transcript's blocks begin with "# " and a name, "file", "env",
// "set" or "want".
func TestTranscripts(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(testdata, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			given, want, ok := strings.Cut(string(text), "# want\n")
			if !ok {
				t.Fatal("the transcript wants nothing")
			}
			got := transcript(t, given)
			switch {
			case got == want:
			case *rewrite:
				if err := os.WriteFile(path, []byte(given+"# want\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func transcript(t *testing.T, given string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	from := settings.Sources{EnvPrefix: "PENSTOCK_", Environ: []string{"HOME=/root"}}
	for block := range strings.SplitSeq(strings.TrimPrefix(given, "# "), "\n# ") {
		name, body, _ := strings.Cut(strings.TrimSuffix(block, "\n"), "\n")
		switch name {
		case "file":
			from.File = "penstock.yaml"
			if err := os.WriteFile(from.File, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		case "env":
			from.Environ = append(from.Environ, strings.Split(body, "\n")...)
		case "set":
			from.Set = strings.Split(body, "\n")
		default:
			t.Fatalf("block %q", name)
		}
	}
	got := defaults()
	if err := settings.Load(got, from); err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	difference(&b, "", reflect.ValueOf(*got), reflect.ValueOf(*defaults()))
	return b.String()
}

func difference(b *strings.Builder, name string, got, had reflect.Value) {
	for i := range got.NumField() {
		field := name + got.Type().Field(i).Name
		switch g, h := got.Field(i), had.Field(i); {
		case g.Type() == reflect.TypeFor[secret]():
			if g.Interface() != h.Interface() {
				fmt.Fprintf(b, "%s = %v\n", field, g)
			}
		case g.Kind() == reflect.Struct:
			difference(b, field+".", g, h)
		case g.Kind() != reflect.Func && !reflect.DeepEqual(g.Interface(), h.Interface()):
			fmt.Fprintf(b, "%s = %v\n", field, g)
		}
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	err := settings.Load(defaults(), settings.Sources{File: filepath.Join(t.TempDir(), "none.yaml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "kafka.topic") {
		t.Errorf("validated what was never read: %v", err)
	}
}

func TestFlags(t *testing.T) {
	var from settings.Sources
	flags := pflag.NewFlagSet("ingest", pflag.ContinueOnError)
	from.AddFlags(flags)
	if err := flags.Parse([]string{"--set", "kafka.brokers=a:1,b:2", "--set=kafka.topic=x=y"}); err != nil {
		t.Fatal(err)
	}
	c := defaults()
	if err := settings.Load(c, from); err != nil {
		t.Fatal(err)
	}
	if c.Kafka.Topic != "x=y" || !reflect.DeepEqual(c.Kafka.Brokers, []string{"a:1", "b:2"}) {
		t.Errorf("got %+v", c.Kafka)
	}
}

// TestFaultsOfTheProgram: what no user can repair is found by the first test
// that loads the config.
func TestFaultsOfTheProgram(t *testing.T) {
	f := func(name string, dst any, want string) {
		t.Helper()
		defer func() {
			t.Helper()
			if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
		}()
		err := settings.Load(dst, settings.Sources{})
		t.Errorf("%s: returned %v", name, err)
	}
	f("not a pointer", config{}, "pointer to a struct")
	f("no tag", &struct{ Rows int }{}, "field Rows of struct { Rows int } has no koanf tag")
	f("no such type", &struct {
		Rows map[string]int `koanf:"rows"`
	}{}, "cannot fill field Rows")
}

// FuzzFile: no file makes the loader panic, and what it cannot use it says.
func FuzzFile(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]\nb: !!binary x\n<<: *a\n? {b: c}\n: d\n"))
	path := filepath.Join(f.TempDir(), "penstock.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := settings.Load(defaults(), settings.Sources{File: path}); err != nil && err.Error() == "" {
			t.Error("a fault without words")
		}
	})
}
