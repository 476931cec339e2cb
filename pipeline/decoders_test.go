package pipeline

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"penstock/schema"
	"penstock/transport"
	"penstock/transport/transporttest"
)

// plainDecoders are those of a config that names no writer's schema.
func plainDecoders(cfg Config) *Decoders {
	return &Decoders{encoding: cfg.Kafka.Encoding, maxBytes: cfg.MaxRecordBytes, bounds: cfg.Bounds.Bounds}
}

// leastAvro is a writer's schema with no more than an event needs.
const leastAvro = `{"type":"record","name":"Least","fields":[
  {"name":"device_id","type":"string"},{"name":"seq","type":"int"},{"name":"ts","type":"long"},{"name":"site","type":"Site"}]}`

const siteAvro = `{"type":"enum","name":"Site","symbols":["north","south"]}`

// leastRecord is a record of it, in a registry's wire format.
func leastRecord(id uint32, device string, seq int, taken time.Time) string {
	b := binary.BigEndian.AppendUint32([]byte{0}, id)
	b = append(binary.AppendVarint(b, int64(len(device))), device...)
	b = binary.AppendVarint(binary.AppendVarint(b, int64(seq)), taken.UnixMilli())
	return string(append(b, 2)) // south
}

// seed has the registry know the schema under the id.
func seed(registry *srfake.Registry, id int) {
	if id == 1 {
		registry.SeedSchema("site", 1, 100, sr.Schema{Schema: siteAvro})
	}
	registry.SeedSchema("least", id, id, sr.Schema{Schema: leastAvro + strings.Repeat(" ", id),
		References: []sr.SchemaReference{{Name: "Site", Subject: "site", Version: 1}}})
}

// awaited collects what a node says it waits for of a registry.
type awaited struct {
	mu   sync.Mutex
	errs []string
}

func (a *awaited) events() Events {
	return Events{Retrying: func(r Retrying) {
		if r.What == "registry" {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.errs = append(a.errs, r.Err.Error())
		}
	}}
}

func (a *awaited) says(text string) func() bool {
	return func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.ContainsFunc(a.errs, func(e string) bool { return strings.Contains(e, text) })
	}
}

// A registry that does not know an id, and then is away altogether, holds up what
// names the id and nothing else; a node can be stopped meanwhile, and nothing is
// rejected.
func TestRecordsWaitForTheirSchema(t *testing.T) {
	r := newRig(t)
	registry := srfake.New()
	seed(registry, 1)
	r.cfg.Kafka.Encoding, r.cfg.Kafka.Registry.URL, r.cfg.Kafka.Registry.Patience = schema.Avro, registry.URL(), time.Hour
	taken := time.Now()
	var waits awaited
	n := r.run(waits.events())
	r.send(0, leastRecord(1, "dev-0", 1, taken))
	r.awaitStored(1)
	r.send(1, leastRecord(1, "dev-1", 1, taken), leastRecord(7, "dev-1", 2, taken), leastRecord(1, "dev-1", 3, taken))
	r.await("word of the unknown id", waits.says("schema id 7, which records wait for: "))
	r.send(0, leastRecord(1, "dev-0", 2, taken), leastRecord(1, "dev-0", 2, taken), "{}")
	r.awaitStored(2)
	r.await("commit of the other partition", func() bool { return r.committed()[0] == 4 })
	if err := n.stop(); err != nil {
		t.Fatal("stopped while it waits:", err)
	}
	if next := r.committed()[1]; next > 0 {
		t.Errorf("p1 is committed at %d", next)
	}
	url := registry.URL()
	registry.Close()
	var gone awaited
	n = r.run(gone.events())
	r.await("word of a registry that is away", gone.says("refused"))
	if err := n.stop(); err != nil {
		t.Fatal("stopped while the registry is away:", err)
	}
	registry = srfake.New()
	t.Cleanup(registry.Close)
	seed(registry, 1)
	seed(registry, 7)
	if registry.URL() == url {
		t.Fatal("the registry came back under the address of the one that went")
	}
	r.cfg.Kafka.Registry.URL = registry.URL()
	stop := r.start(Events{})
	r.await("commit of all", func() bool { c := r.committed(); return c[0] == 4 && c[1] == 3 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if stored, doubled := r.table.counts(); stored != 5 || doubled != 0 {
		t.Errorf("%d rows are stored, %d doubled; want 5, none", stored, doubled)
	}
	if letter := r.deadLetters(1)[0]; headerOf(letter, HeaderReason) != string(schema.ReasonMalformed) || string(letter.Value) != "{}" {
		t.Errorf("dead letter %s of %q", headerOf(letter, HeaderReason), letter.Value)
	}
}

// A device can name a schema that never was: others wait for it no longer than for
// a producer that is ahead of the registry, and for each such name once.
func TestASchemaThatNobodyKnowsIsNotWaitedForForEver(t *testing.T) {
	r := newRig(t)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	seed(registry, 1)
	r.cfg.Kafka.Encoding, r.cfg.Kafka.Registry.URL, r.cfg.Kafka.Registry.Patience = schema.Avro, registry.URL(), 500*time.Millisecond
	taken := time.Now()
	stop := r.start(Events{})
	r.send(0, leastRecord(7, "dev", 1, taken), leastRecord(1, "dev", 2, taken), leastRecord(7, "dev", 3, taken))
	for _, letter := range r.deadLetters(2) {
		if why := headerOf(letter, HeaderError); headerOf(letter, HeaderReason) != string(schema.ReasonSchema) || !strings.Contains(why, "schema id 7: ") {
			t.Errorf("dead letter for %s: %s", headerOf(letter, HeaderReason), why)
		}
	}
	r.awaitStored(1)
	r.await("commit", func() bool { return r.committed()[0] == 3 })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// What a registry says is bounded as well: neither a schema without end nor one that
// refers to others without end is read to it.
func TestASchemaThatIsTooLargeIsNotRead(t *testing.T) {
	r := newRig(t)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	seed(registry, 1)
	registry.SeedSchema("large", 1, 2, sr.Schema{Schema: leastAvro + strings.Repeat(" ", 20_000)})
	var refs []sr.SchemaReference
	for i := range maxReferences + 1 {
		name := fmt.Sprintf("r%d", i)
		registry.SeedSchema(name, 1, 1000+i, sr.Schema{Schema: fmt.Sprintf(`{"type":"enum","name":"E%d","symbols":["a"]}`, i), References: refs})
		refs = []sr.SchemaReference{{Name: name, Subject: name, Version: 1}}
	}
	registry.SeedSchema("deep", 1, 3, sr.Schema{Schema: leastAvro, References: refs})
	r.cfg.Kafka.Encoding, r.cfg.Kafka.Registry.URL, r.cfg.Kafka.Registry.MaxBytes = schema.Avro, registry.URL(), 10_000
	taken := time.Now()
	r.start(Events{})
	r.send(0, leastRecord(2, "dev", 1, taken), leastRecord(3, "dev", 2, taken), leastRecord(1, "dev", 3, taken))
	said := ""
	for _, letter := range r.deadLetters(2) {
		said += headerOf(letter, HeaderReason) + ": " + headerOf(letter, HeaderError) + "\n"
	}
	for _, want := range []string{"schema: schema id 2: ", "more than kafka.registry.max_bytes, 10000", "schema: schema id 3: ", "it refers to more than 64 others"} {
		if !strings.Contains(said, want) {
			t.Errorf("the letters say\n%swant %q", said, want)
		}
	}
	r.awaitStored(1)
}

// After a crash the next owner knows no schema: settling what was declared, and
// looking at what is stored, it asks the registry as well.
func TestASettlementLearnsSchemas(t *testing.T) {
	r, d := newCrashRig(t)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	seed(registry, 1)
	r.cfg.Kafka.Encoding, r.cfg.Kafka.Registry.URL = schema.Avro, registry.URL()
	taken := time.Now()
	n := r.run(Events{})
	r.send(0, leastRecord(1, "dev", 1, taken))
	r.awaitStored(1)
	r.await("commit", func() bool { return r.committed()[0] == 1 })
	n.hangAt(always(before))
	r.send(0, leastRecord(1, "dev", 2, taken), leastRecord(1, "dev", 1, taken))
	n.awaitStuck(t)
	r.kill(d, n)
	r.expectSettled(3)
	if stored, doubled := r.table.counts(); stored != 2 || doubled != 0 {
		t.Errorf("%d rows are stored, %d doubled; want 2, none", stored, doubled)
	}
}

func TestARegistryThatRefusesStopsTheNode(t *testing.T) {
	r := newRig(t)
	registry := srfake.New(srfake.WithAuth("Basic bm9kZTpyaWdodA==")) // node:right
	t.Cleanup(registry.Close)
	r.cfg.Kafka.Encoding = schema.Protobuf
	reg := &r.cfg.Kafka.Registry
	reg.URL, reg.User, reg.Password = registry.URL(), "node", transport.NewSecret("wrong")
	n := r.run(Events{})
	r.send(0, leastRecord(1, "dev", 1, time.Now()))
	r.expectEnd(n, "schema id 1", "correct kafka.registry.user and kafka.registry.password")
}

// What a config names for Avro is looked at before a node begins.
func TestOpenDecoders(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		cfg := Default()
		cfg.Kafka.Brokers, cfg.Kafka.Topic, cfg.ClickHouse.Addr = []string{"k:9092"}, "t", "c:9000"
		change(&cfg)
		_, err := New(cfg, schema.Telemetry(), Events{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	file := func(text string) func(*Config) {
		path := filepath.Join(t.TempDir(), "writer.avsc")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return func(c *Config) { c.Kafka.Encoding, c.Kafka.AvroSchema = schema.Avro, path }
	}
	f(file(schema.Telemetry().Avro()), "")
	f(file(`{"type":"record","name":"r","fields":[]}`), "has no field device_id, which is required")
	f(func(c *Config) { c.Kafka.Encoding, c.Kafka.AvroSchema = schema.Avro, "/does/not/exist.avsc" }, "/does/not/exist.avsc")
	f(func(c *Config) { c.Kafka.Encoding = schema.Avro }, "kafka.encoding is avro, and nothing says by which schema")
	f(func(c *Config) { c.Kafka.AvroSchema = "x.avsc" }, `kafka.avro_schema is "x.avsc" and would not be read`)
	f(func(c *Config) { c.Kafka.Registry.URL = "localhost:8081" }, `kafka.registry.url is "localhost:8081"; want one such as http://localhost:8081`)
	f(func(c *Config) { c.Kafka.Registry.User = "node" }, "kafka.registry has settings and no url")
	f(func(c *Config) { c.Kafka.Encoding, c.Kafka.Registry.URL = schema.Avro, "http://localhost:8081" }, "")
}

// A registry behind TLS is asked with what is in a file then, and a refusal is what a
// person mends, or whoever replaces the file.
func TestRegistryBehindTLS(t *testing.T) {
	var wanted string
	served := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != wanted {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `["AVRO"]`)
	}))
	defer served.Close()
	served.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
	dir := t.TempDir()
	ca := transporttest.Write(t, filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: served.Certificate().Raw}))
	file := transporttest.Write(t, filepath.Join(dir, "token"), []byte("one"))
	f := func(name string, r Registry, want string, renewable bool) {
		t.Helper()
		r.URL, r.Patience, r.MaxBytes = served.URL, time.Second, 1<<20
		if err := r.validate(); err != nil {
			t.Fatal(name, err)
		}
		err := checkRegistry(t.Context(), Kafka{Encoding: schema.Avro, Registry: r}, func(string) {})
		var refused *transport.Refused
		if want == "" && err != nil || want != "" && (!errors.As(err, &refused) || refused.Renewable != renewable || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q, renewable: %v", name, err, want, renewable)
		}
	}
	trust := transport.Certificates{CAFile: ca}
	wanted = "Bearer one"
	f("a token", Registry{TLS: trust, Token: transport.SecretFile(file)}, "", false)
	wanted = "Bearer two"
	f("another token", Registry{TLS: trust, Token: transport.SecretFile(file)}, "or kafka.registry.token", true)
	transporttest.Write(t, file, []byte("two"))
	f("a token that was replaced", Registry{TLS: trust, Token: transport.SecretFile(file)}, "", false)
	f("a password", Registry{TLS: trust, User: "node", Password: transport.NewSecret("p")}, "correct kafka.registry.user and kafka.registry.password", false)
	wanted = "Basic " + base64.StdEncoding.EncodeToString([]byte("node:p"))
	f("the password", Registry{TLS: trust, User: "node", Password: transport.NewSecret("p")}, "", false)
	f("authorities of the system", Registry{User: "node", Password: transport.NewSecret("p")}, "into kafka.registry.tls.ca_file", true)
}
